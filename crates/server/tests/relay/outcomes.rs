//! What becomes of an event, in every case.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use authentication_app::{
    events::{Destination, Handed, Outcome, Relay, RelayPorts, RelayRules},
    ports::{
        EventQueue as _, EventSink, EventTarget, LeasedEvent, NoMeter, OutgoingEvent, SinkError,
    },
};
use authentication_domain::accounts::AccountId;
use identity_adapters_postgres::Store;
use testkit::{SeededRandom, TestClock, TestDatabase, builders::id};
use time::{Duration, OffsetDateTime};

use crate::writer::{store_on, write};

/// What [`Sink`] answers.
#[derive(Debug, Clone)]
enum Answer {
    Take,
    Fail(SinkError),
    Hang,
}

struct Sink {
    answer: Mutex<Answer>,
    got: Mutex<Vec<OutgoingEvent>>,
}

#[async_trait]
impl EventSink for Sink {
    async fn deliver(&self, event: &OutgoingEvent, _: OffsetDateTime) -> Result<(), SinkError> {
        self.got.lock().unwrap().push(event.clone());
        let answer = self.answer.lock().unwrap().clone();
        match answer {
            Answer::Take => Ok(()),
            Answer::Fail(error) => Err(error),
            Answer::Hang => std::future::pending().await,
        }
    }
}

struct Scene {
    database: TestDatabase,
    store: Arc<Store>,
    clock: Arc<TestClock>,
    sink: Arc<Sink>,
    relay: Relay,
}

impl Scene {
    /// A relay that tries four times, and delivers nothing but events of these types.
    async fn set(types: &[&str]) -> Self {
        let database = TestDatabase::sqlite().await;
        let store = Arc::new(store_on(&database).await);
        let clock = Arc::new(TestClock::new());
        let sink = Arc::new(Sink {
            answer: Mutex::new(Answer::Take),
            got: Mutex::default(),
        });
        let destination = Destination {
            name: "somewhere".to_owned(),
            target: EventTarget::Webhook,
            types: types.iter().map(|name| (*name).to_owned()).collect(),
        };
        let ports = RelayPorts {
            queue: store.clone(),
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(7)),
            meter: Arc::new(NoMeter),
        };
        let relay = Relay::new(
            ports,
            destination,
            sink.clone(),
            RelayRules {
                source: "urn:test".to_owned(),
                deadline: Duration::milliseconds(50),
                lease: Duration::seconds(30),
                most_attempts: 4,
            },
        );
        relay.announce().await.unwrap();
        Self {
            database,
            store,
            clock,
            sink,
            relay,
        }
    }

    fn answer(&self, answer: Answer) {
        *self.sink.answer.lock().unwrap() = answer;
    }

    fn got(&self) -> usize {
        self.sink.got.lock().unwrap().len()
    }

    async fn lease(&self) -> Option<LeasedEvent> {
        self.relay.lease(10).await.unwrap().pop()
    }

    /// What becomes of the only event that is due.
    async fn deliver(&self) -> Outcome {
        let leased = self.lease().await.expect("an event is due");
        self.deliver_leased(leased).await
    }

    async fn deliver_leased(&self, leased: LeasedEvent) -> Outcome {
        match self.relay.deliver(leased).await.unwrap() {
            Handed::Settled(outcome) => outcome,
            Handed::Through(leased, outcome) => {
                let through = [(leased, outcome)];
                self.relay.finish(&through).await.unwrap()[0]
            }
        }
    }

    async fn parked(&self) -> Vec<String> {
        let parked = self.store.list_parked_events("somewhere", 0, 10).await;
        parked.unwrap().into_iter().map(|it| it.failure).collect()
    }
}

fn account() -> AccountId {
    id()
}

#[tokio::test]
async fn an_event_goes_out_once_when_it_is_taken() {
    let scene = Scene::set(&[]).await;
    let written = write(&scene.store, account(), 1).await;
    assert_eq!(scene.deliver().await, Outcome::Delivered);
    assert!(scene.lease().await.is_none());
    let got = scene.sink.got.lock().unwrap()[0].clone();
    assert_eq!(got.id.to_string(), written[0]);
    let event: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(
        (&event["id"], &event["source"]),
        (&written[0].as_str().into(), &"urn:test".into())
    );
}

#[tokio::test]
async fn an_event_of_another_type_is_passed_over() {
    let scene = Scene::set(&["com.fashionistar.auth.account.registered.v1"]).await;
    write(&scene.store, account(), 1).await;
    assert_eq!(scene.deliver().await, Outcome::PassedOver);
    assert_eq!(scene.got(), 0);
    assert!(scene.lease().await.is_none());
    let scene = Scene::set(&["com.fashionistar.auth.session.ended.v1"]).await;
    write(&scene.store, account(), 1).await;
    assert_eq!(scene.deliver().await, Outcome::Delivered);
}

#[tokio::test]
async fn t77_an_event_is_tried_less_and_less_often_and_then_parked() {
    let scene = Scene::set(&[]).await;
    write(&scene.store, account(), 1).await;
    for (error, outcome) in [
        (SinkError::away("away"), Outcome::Away),
        (SinkError::refused("no"), Outcome::Refused),
        (SinkError::away("away"), Outcome::Away),
    ] {
        scene.answer(Answer::Fail(error));
        assert_eq!(scene.deliver().await, outcome);
        assert!(scene.lease().await.is_none(), "not at once");
        // Longer than any pause so far: 1, 2 and 4 seconds, and a fifth.
        scene.clock.advance(Duration::seconds(5));
    }
    scene.answer(Answer::Fail(SinkError::refused("no more")));
    assert_eq!(scene.deliver().await, Outcome::Parked);
    assert_eq!(scene.parked().await, ["no more"]);
    scene.clock.advance(Duration::days(30));
    assert!(scene.lease().await.is_none());
}

#[tokio::test]
async fn what_will_never_be_taken_is_parked_at_once() {
    let scene = Scene::set(&[]).await;
    write(&scene.store, account(), 1).await;
    scene.answer(Answer::Fail(SinkError::Never("no such event".to_owned())));
    assert_eq!(scene.deliver().await, Outcome::Parked);
    assert_eq!(scene.parked().await, ["no such event"]);
}

#[tokio::test]
async fn a_destination_that_says_when_to_come_back_is_left_alone_until_then() {
    let scene = Scene::set(&[]).await;
    write(&scene.store, account(), 1).await;
    let (why, hour) = ("answered 503".to_owned(), Duration::HOUR);
    let retry_after = Some(hour);
    scene.answer(Answer::Fail(SinkError::Away { why, retry_after }));
    assert_eq!(scene.deliver().await, Outcome::Away);
    // Events of others wait as well.
    write(&scene.store, account(), 1).await;
    scene.clock.advance(hour - Duration::SECOND);
    assert!(scene.lease().await.is_none());
    scene.clock.advance(Duration::SECOND);
    assert_eq!(scene.relay.lease(10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_event_that_is_refused_for_a_while_holds_up_no_other() {
    let scene = Scene::set(&[]).await;
    write(&scene.store, account(), 1).await;
    let (why, retry_after) = ("answered 409".to_owned(), Some(Duration::days(900)));
    scene.answer(Answer::Fail(SinkError::Refused { why, retry_after }));
    assert_eq!(scene.deliver().await, Outcome::Refused);
    let other = write(&scene.store, account(), 1).await;
    scene.clock.advance(Duration::DAY - Duration::SECOND);
    let leased = scene.lease().await.expect("the other one is due");
    assert_eq!(leased.event.id.to_string(), other[0]);
    scene.answer(Answer::Take);
    assert_eq!(scene.deliver_leased(leased).await, Outcome::Delivered);
    assert!(scene.lease().await.is_none());
    // No longer than a day, whatever was asked for.
    scene.clock.advance(Duration::SECOND);
    assert_eq!(scene.deliver().await, Outcome::Delivered);
}

#[tokio::test]
async fn whoever_never_answers_is_away_at_the_deadline() {
    let scene = Scene::set(&[]).await;
    write(&scene.store, account(), 1).await;
    scene.answer(Answer::Hang);
    assert_eq!(scene.deliver().await, Outcome::Away);
}

#[tokio::test]
async fn an_event_that_cannot_be_written_out_is_parked_and_holds_up_nobody() {
    let scene = Scene::set(&[]).await;
    let events = write(&scene.store, account(), 2).await;
    let poison = "UPDATE outbox_events SET data = '{' WHERE sequence = 1";
    scene.database.execute(poison).await;
    assert_eq!(scene.deliver().await, Outcome::Parked);
    assert_eq!(scene.deliver().await, Outcome::Delivered);
    assert_eq!(scene.sink.got.lock().unwrap()[0].id.to_string(), events[1]);
    assert_eq!(scene.parked().await, ["what is stored is no event"]);
}

#[tokio::test]
async fn t77_an_event_that_ends_its_relay_again_and_again_is_parked() {
    let scene = Scene::set(&[]).await;
    write(&scene.store, account(), 1).await;
    for _ in 0..4 {
        // Leased, and never heard of again.
        assert!(scene.lease().await.is_some());
        scene.clock.advance(Duration::seconds(30));
    }
    assert_eq!(scene.deliver().await, Outcome::Parked);
    assert_eq!(scene.got(), 0);
}

/// A relay that dies takes the leases of many accounts with it, whatever ended it.
#[tokio::test]
async fn after_relays_that_died_a_failure_is_the_first_one() {
    let scene = Scene::set(&[]).await;
    write(&scene.store, account(), 1).await;
    for _ in 0..3 {
        assert!(scene.lease().await.is_some());
        scene.clock.advance(Duration::seconds(30));
    }
    for pause in [1, 2] {
        scene.answer(Answer::Fail(SinkError::away("away")));
        assert_eq!(scene.deliver().await, Outcome::Away);
        // And a fifth of it, give or take.
        scene
            .clock
            .advance(Duration::milliseconds(1_000 * pause + 200 * pause));
    }
    scene.answer(Answer::Take);
    assert_eq!(scene.deliver().await, Outcome::Delivered);
}

#[tokio::test]
async fn t76_a_relay_that_comes_too_late_marks_nothing() {
    let scene = Scene::set(&[]).await;
    let events = write(&scene.store, account(), 2).await;
    let late = scene.lease().await.unwrap();
    scene.clock.advance(Duration::seconds(30));
    assert_eq!(scene.deliver().await, Outcome::Delivered);
    assert_eq!(scene.deliver_leased(late).await, Outcome::Lost);
    assert_eq!(scene.deliver().await, Outcome::Delivered);
    let got: Vec<String> = {
        let got = scene.sink.got.lock().unwrap();
        got.iter().map(|event| event.id.to_string()).collect()
    };
    // The repetition is of the same event, and comes after nothing later.
    assert_eq!(got, [&*events[0], &*events[0], &*events[1]]);
}

#[tokio::test]
async fn events_that_somebody_deleted_are_nobodys() {
    let scene = Scene::set(&[]).await;
    let account = account();
    write(&scene.store, account, 2).await;
    scene.database.execute("DELETE FROM outbox_events").await;
    assert!(scene.lease().await.is_none());
    let next = write(&scene.store, account, 1).await;
    let leased = scene.lease().await.expect("the next one is due");
    assert_eq!(leased.event.id.to_string(), next[0]);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_parked_and_holds_up_nobody() {
    let scene = Scene::set(&[]).await;
    write(&scene.store, account(), 1).await;
    let spoil = "UPDATE outbox_events SET id = x'00'";
    scene.database.execute(spoil).await;
    let whole = write(&scene.store, account(), 1).await;
    let leased = scene.lease().await.expect("the other one is due");
    assert_eq!(leased.event.id.to_string(), whole[0]);
    assert!(scene.lease().await.is_none());
    let parked = "SELECT failure FROM event_lanes WHERE parked_at IS NOT NULL";
    let parked = scene.database.rows(parked).await;
    let why: String = parked[0].try_get("", "failure").unwrap();
    assert_eq!((parked.len(), &*why), (1, "what is stored cannot be read"));
}
