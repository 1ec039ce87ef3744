//! An event that nobody takes, from the receiver's refusal to the operator who sends it again.

use std::{
    fs,
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use authentication_domain::accounts::AccountId;
use serde_json::Value;
use testkit::{TestDatabase, builders::id};

use crate::{
    node::{Settings, until, until_served},
    receiver::{Reaction, Receiver},
    writer::{store_on, write},
};

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

testkit::on_every_engine! {
    async fn t77_a_poison_event_is_parked_while_others_flow_and_sent_again_when_asked(engine: Engine) {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        let (account, other): (AccountId, AccountId) = (id(), id());
        let mended = Arc::new(AtomicBool::new(false));
        let receiver = {
            let (poisoned, mended) = (account.to_string(), Arc::clone(&mended));
            let first = std::sync::Mutex::new(None);
            Receiver::start(move |received| {
                let (account, _) = received.place();
                let mut first = first.lock().unwrap();
                let is_poison = account == poisoned
                    && *first.get_or_insert_with(|| received.id.clone()) == received.id;
                let works = !is_poison || mended.load(Ordering::Relaxed);
                Reaction::Answer(if works { 204 } else { 500 })
            })
            .await
        };
        let settings = Settings::new(&database, folder.path(), &receiver.url("x"))
            .with("EVENTS__MOST_ATTEMPTS", "3")
            .with("TELEMETRY__LOG_FORMAT", "json");
        let log = folder.path().join("log");
        let relay = settings.relay(&log);
        until_served(&store).await;
        let poisoned = write(&store, account, 2).await;
        let others = write(&store, other, 2).await;
        let came = async |id: &String| receiver.received().iter().any(|it| it.id == *id);

        // Others flow; what comes after the poison waits for it, and then no longer.
        for event in &others {
            until("an event of another account", async || came(event).await).await;
        }
        until("the event behind the poison", async || came(&poisoned[1]).await).await;
        let tries = receiver.received().iter().filter(|it| it.id == poisoned[0]).count();
        assert_eq!(tries, 3);

        // Told to whoever looks.
        let parked = stdout(&settings.run(&["events", "parked", "--json"]));
        let parked: Value = serde_json::from_str(&parked).unwrap();
        assert_eq!(parked["id"], poisoned[0].as_str());
        assert_eq!(parked["destination"], "webhook:shop");
        assert_eq!((&parked["attempts"], &parked["failure"]), (&3.into(), &"answered 500".into()));
        let listed = stdout(&settings.run(&["events", "parked"]));
        assert!(listed.starts_with(&poisoned[0]) && listed.contains("after 3 tries: answered 500"));
        let status = stdout(&settings.run(&["events", "status", "--json"]));
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!((&status["parked"], &status["accounts_waiting"]), (&1.into(), &0.into()));
        let lines = fs::read_to_string(&log).unwrap();
        let alert = lines.lines().find(|line| line.contains("event parked")).unwrap();
        assert!(alert.contains(r#""level":"ERROR""#), "{alert}");

        // Sent again when asked.
        mended.store(true, Ordering::Relaxed);
        let so_far = receiver.received().len();
        let unknown = settings.run(&["events", "resend", &id::<()>().to_string()]);
        assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
        assert_eq!(stdout(&settings.run(&["events", "resend", &poisoned[0]])), "1 to be sent again\n");
        until("the event that was sent again", async || receiver.received().len() > so_far).await;
        let again = receiver.received().last().cloned().unwrap();
        assert_eq!(again.id, poisoned[0]);
        until("an empty queue", async || database.count("event_lanes").await == 0).await;
        assert_eq!(stdout(&settings.run(&["events", "resend", "--all"])), "0 to be sent again\n");
        assert!(relay.end(), "SIGTERM ends a relay well");

        // And a destination that is no longer wanted goes when it is said so.
        let asked = settings.run(&["events", "forget", "webhook:shop"]);
        assert_eq!(asked.status.code(), Some(2), "{asked:?}");
        let forgotten = settings.run(&["events", "forget", "webhook:shop", "--yes"]);
        assert_eq!(stdout(&forgotten), "forgotten webhook:shop\n");
        assert_eq!(stdout(&settings.run(&["events", "status"])), "");
    }
}
