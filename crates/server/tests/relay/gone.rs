//! A receiver that wants no events any more (410), and one that asks to be left alone.

use std::{
    fs,
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use serde_json::Value;
use testkit::{TestDatabase, builders::id};

use crate::{
    node::{Settings, until, until_served},
    receiver::{Reaction, Receiver},
    writer::{store_on, write},
};

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

testkit::on_every_engine! {
    async fn a_receiver_that_is_gone_is_called_by_no_node_until_an_operator_says_so(engine: Engine) {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        let status = Arc::new(AtomicU16::new(410));
        let receiver = {
            let status = Arc::clone(&status);
            Receiver::start(move |_| Reaction::Answer(status.load(Ordering::Relaxed))).await
        };
        let settings = Settings::new(&database, folder.path(), &receiver.url("x"))
            .with("TELEMETRY__LOG_FORMAT", "json");
        let log = folder.path().join("log");
        let relays = [settings.relay(&log), settings.relay(&log)];
        until_served(&store).await;
        let account = id();
        let mut events = write(&store, account, 1).await;
        let off = async || database.count("event_destinations WHERE off_at IS NOT NULL").await == 1;
        until("the destination is switched off", off).await;
        // Whatever else is written waits, also for a node that begins now.
        for relay in relays {
            assert!(relay.end());
        }
        events.extend(write(&store, account, 2).await);
        status.store(204, Ordering::Relaxed);
        let lines = fs::read_to_string(&log).unwrap();
        let is_alert = |line: &&str| line.contains("a destination is switched off");
        assert_eq!(lines.lines().filter(is_alert).count(), 1, "{lines}");
        let relay = settings.relay(&log);
        until("the relay serves", async || {
            let text = fs::read_to_string(&log).unwrap();
            text.matches("relaying events").count() == 3
        })
        .await;
        let json = said(&settings.run(&["events", "status", "--json"]));
        let seen: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(seen["switched_off_because"], "answered 410", "{json}");
        assert_eq!((&seen["accounts_waiting"], &seen["parked"]), (&1.into(), &0.into()));
        let listed = said(&settings.run(&["events", "status"]));
        assert!(listed.contains("SWITCHED OFF since"), "{listed}");
        let doctor = said(&settings.run(&["doctor"]));
        let finding = doctor.lines().find(|line| line.contains("webhook:shop is switched off"));
        let finding = finding.unwrap_or_else(|| panic!("{doctor}"));
        assert!(finding.starts_with("FAIL"), "{finding}");
        assert!(finding.contains("events switch-on webhook:shop"), "{finding}");
        let asked = receiver.received().len();
        assert_eq!(receiver.count(), 1, "nothing but the first event was tried");

        let unknown = settings.run(&["events", "switch-on", "webhook:other"]);
        assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
        assert_eq!(receiver.received().len(), asked);
        let on = said(&settings.run(&["events", "switch-on", "webhook:shop"]));
        assert_eq!(on, "webhook:shop gets events again\n");
        until("all that waited", async || database.count("event_lanes").await == 0).await;
        let got: Vec<String> =
            receiver.first_receipts().into_iter().map(|it| it.id).collect();
        assert_eq!(got, events);
        assert!(relay.end());
    }
}
