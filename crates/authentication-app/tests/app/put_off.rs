//! Messages that a provider puts off: what is tried again, for how long, and who waits for whom.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use authentication_app::{
    notifications::{Ceilings, Notifications},
    ports::{DeliveryError, Message, MessageSender},
};
use time::Duration;

use crate::bed::{Bed, FakeWriter, PASSWORD, request};

const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";

/// Greylisting (RFC 6647), say.
const GREYLISTED: DeliveryError = DeliveryError::NotTaken {
    status: Some(451),
    retry_after: None,
};

/// A provider that answers some recipients, or all (`*`), with an error.
#[derive(Default)]
struct Provider {
    errors: Mutex<HashMap<&'static str, DeliveryError>>,
    asked: Mutex<Vec<String>>,
    took: Mutex<Vec<String>>,
}

impl Provider {
    fn answers(&self, whom: &'static str, error: DeliveryError) {
        self.errors.lock().unwrap().insert(whom, error);
    }

    fn takes_all(&self) {
        self.errors.lock().unwrap().clear();
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn took(&self) -> Vec<String> {
        self.took.lock().unwrap().clone()
    }
}

#[async_trait]
impl MessageSender for Provider {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let to = message.to.to_text();
        self.asked.lock().unwrap().push(to.clone());
        let error = {
            let errors = self.errors.lock().unwrap();
            errors.get(&*to).or_else(|| errors.get("*")).copied()
        };
        if let Some(error) = error {
            return Err(error);
        }
        self.took.lock().unwrap().push(to);
        Ok(())
    }
}

struct Scene {
    bed: Bed,
    provider: Arc<Provider>,
    notifications: Notifications,
}

impl Scene {
    async fn set() -> Self {
        let bed = Bed::start().await;
        let provider = Arc::new(Provider::default());
        let notifications = Notifications::new(
            Arc::clone(&bed.base),
            provider.clone(),
            Arc::new(FakeWriter),
            Ceilings::default(),
        );
        Self {
            bed,
            provider,
            notifications,
        }
    }

    /// One where Ada is to be told that somebody signed in from a new device.
    async fn with_a_notice() -> Self {
        let scene = Self::set().await;
        scene.bed.register(ADA).await;
        scene.bed.deliver().await;
        scene.bed.clock.advance(Duration::MINUTE);
        let signed_in = scene.bed.log_in(ADA, PASSWORD, &request()).await;
        assert!(signed_in.is_ok());
        assert_eq!(scene.waiting().await, 1);
        scene
    }

    /// Lets a time pass, with a look at the queue every `step`.
    async fn pass(&self, time: Duration, step: Duration) {
        let until = self.bed.base.clock.now() + time;
        while self.bed.base.clock.now() < until {
            self.deliver().await;
            self.bed.clock.advance(step);
        }
        self.deliver().await;
    }

    async fn deliver(&self) {
        let mut worker = self.notifications.deliveries();
        while worker.round().await.unwrap().may_be_more {}
        worker.finish().await;
    }

    async fn waiting(&self) -> i64 {
        self.bed.database.count("outbox_messages").await
    }

    async fn parked(&self) -> Vec<String> {
        let parked = "SELECT parked_reason AS it FROM outbox_messages WHERE parked_at IS NOT NULL";
        self.bed.texts(parked).await
    }
}

#[tokio::test]
async fn a_code_that_is_put_off_is_sent_while_it_counts_and_never_after() {
    let scene = Scene::set().await;
    scene.provider.answers("*", GREYLISTED);
    scene.bed.ask_to_register(ADA).await;
    scene.pass(Duration::minutes(8), Duration::seconds(5)).await;
    let tries = scene.provider.asked();
    assert!((10..=24).contains(&tries), "{tries}");
    scene.provider.takes_all();
    scene.pass(Duration::MINUTE, Duration::seconds(5)).await;
    assert_eq!(scene.provider.took(), [ADA]);

    // Another one is never taken.
    scene.provider.answers("*", GREYLISTED);
    scene.bed.ask_to_register(GRACE).await;
    scene
        .pass(Duration::minutes(10), Duration::seconds(5))
        .await;
    scene.provider.takes_all();
    scene.pass(Duration::HOUR, Duration::MINUTE).await;
    assert_eq!(scene.provider.took(), [ADA]);
    assert_eq!(
        scene.waiting().await,
        0,
        "it is given up, and nobody has to look at it"
    );
}

#[tokio::test]
async fn a_code_is_given_up_when_its_provider_comes_back_too_late() {
    let scene = Scene::set().await;
    let retry_after = Some(Duration::HOUR);
    let status = Some(503);
    scene.provider.answers(
        "*",
        DeliveryError::Away {
            status,
            retry_after,
        },
    );
    scene.bed.ask_to_register(ADA).await;
    scene.deliver().await;
    assert_eq!((scene.provider.asked(), scene.waiting().await), (1, 0));
}

#[tokio::test]
async fn a_notice_that_was_greylisted_for_twenty_minutes_arrives() {
    let scene = Scene::with_a_notice().await;
    scene.provider.answers(ADA, GREYLISTED);
    scene
        .pass(Duration::minutes(20), Duration::seconds(10))
        .await;
    scene.provider.takes_all();
    scene.pass(Duration::minutes(25), Duration::MINUTE).await;
    assert_eq!(scene.provider.took(), [ADA]);
    assert_eq!(scene.waiting().await, 0);
}

#[tokio::test]
async fn a_notice_arrives_when_its_provider_was_away_for_two_days() {
    let scene = Scene::with_a_notice().await;
    scene.provider.answers("*", DeliveryError::UNREACHED);
    scene.pass(Duration::days(2), Duration::minutes(15)).await;
    assert_eq!(scene.parked().await, <[&str; 0]>::default());
    scene.provider.takes_all();
    scene.pass(Duration::HOUR, Duration::minutes(5)).await;
    assert_eq!(scene.provider.took(), [ADA]);
}

#[tokio::test]
async fn a_notice_that_nobody_took_for_five_days_is_parked() {
    let scene = Scene::with_a_notice().await;
    scene.provider.answers("*", GREYLISTED);
    scene.pass(Duration::days(4), Duration::minutes(10)).await;
    assert_eq!(scene.parked().await, <[&str; 0]>::default());
    // The looks are minutes apart, which comes on top of each pause.
    scene.pass(Duration::days(3), Duration::minutes(10)).await;
    let reason = "the provider did not take the message (it answered 451)";
    assert_eq!(scene.parked().await, [reason]);
    let tries = scene.provider.asked();
    assert!(tries < 260, "{tries}");
}

#[tokio::test]
async fn what_is_refused_for_good_is_parked_at_once() {
    let scene = Scene::with_a_notice().await;
    let status = Some(550);
    scene
        .provider
        .answers("*", DeliveryError::Refused { status });
    scene.deliver().await;
    let reason = "the provider refuses the message (it answered 550)";
    assert_eq!(scene.parked().await, [reason]);
    scene.pass(Duration::days(1), Duration::HOUR).await;
    assert_eq!(scene.provider.asked(), 1);
}

#[tokio::test]
async fn a_recipient_that_is_put_off_holds_up_no_other() {
    let scene = Scene::set().await;
    let status = Some(421);
    let retry_after = Some(Duration::HOUR);
    scene.provider.answers(
        ADA,
        DeliveryError::NotTaken {
            status,
            retry_after,
        },
    );
    scene.bed.ask_to_register(ADA).await;
    scene.pass(Duration::MINUTE, Duration::seconds(5)).await;
    scene.bed.ask_to_register(GRACE).await;
    scene.deliver().await;
    assert_eq!(scene.provider.took(), [GRACE]);
}

/// It is asked by one message after each rest, and by none meanwhile.
#[tokio::test]
async fn a_provider_that_takes_nothing_is_spared_and_found_again() {
    let scene = Scene::set().await;
    let (status, retry_after) = (Some(421), None);
    scene.provider.answers(
        "*",
        DeliveryError::Away {
            status,
            retry_after,
        },
    );
    scene.bed.ask_to_register(ADA).await;
    scene.deliver().await;
    assert_eq!(scene.provider.asked(), 1);
    let people: Vec<String> = (0..10)
        .map(|it| format!("person-{it}@example.com"))
        .collect();
    for person in &people {
        scene.bed.ask_to_register(person).await;
    }
    scene.deliver().await;
    assert_eq!(scene.provider.asked(), 1, "the others were put off unasked");
    scene.pass(Duration::minutes(3), Duration::seconds(1)).await;
    let tries = scene.provider.asked();
    assert!(
        (6..=15).contains(&tries),
        "{tries} tries of eleven messages"
    );
    scene.provider.takes_all();
    scene.pass(Duration::minutes(2), Duration::seconds(1)).await;
    assert_eq!(scene.provider.took().len(), 11);
    // Whoever was put off unasked was not counted before, and is now.
    let granted = "SELECT CAST(granted AS text) AS it FROM message_ceilings";
    assert_eq!(scene.bed.texts(granted).await, ["11"]);
}

/// A worker that a message ends, again and again, is told from a provider that puts it off.
#[tokio::test]
async fn a_message_that_ends_its_workers_is_parked_after_few_of_them() {
    let scene = Scene::with_a_notice().await;
    scene.provider.answers("*", GREYLISTED);
    scene.pass(Duration::HOUR, Duration::MINUTE).await;
    assert!(scene.provider.asked() > 8);
    assert_eq!(scene.parked().await, <[&str; 0]>::default());
    // Leased, and never heard of again.
    let lost = "UPDATE outbox_messages SET attempts = attempts + 8";
    scene.bed.database.execute(lost).await;
    scene.pass(Duration::HOUR, Duration::minutes(10)).await;
    assert_eq!(
        scene.parked().await,
        ["it ended its worker again and again"]
    );
}
