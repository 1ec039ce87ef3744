//! Messages, and what keeps them from going out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration as StdDuration,
};

use async_trait::async_trait;
use authentication_app::{
    notifications::{Ceilings, Notifications},
    ports::{Channel, DeliveryError, LeaseToken, Message, MessageSender},
};
use time::Duration;
use uuid::Uuid;

use crate::bed::{Bed, FakeWriter};

const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";

#[tokio::test]
async fn a_message_that_cannot_be_read_is_parked_and_the_others_go_out() {
    let bed = Bed::start().await;
    bed.ask_to_register(ADA).await;
    bed.database
        .execute("UPDATE outbox_messages SET request_id = ''")
        .await;
    bed.ask_to_register(GRACE).await;
    bed.deliver().await;
    assert_eq!(bed.sender.codes_sent_to(GRACE).len(), 1);
    assert_eq!(bed.sender.codes_sent_to(ADA).len(), 0);
    let left = bed
        .texts("SELECT parked_reason AS it FROM outbox_messages")
        .await;
    assert_eq!(left, ["what it is made of cannot be read"]);
}

#[tokio::test]
async fn a_message_whose_worker_ended_before_it_was_counted_is_counted() {
    let bed = Bed::start().await;
    bed.ask_to_register(ADA).await;
    let now = bed.base.clock.now();
    let lost = LeaseToken(Uuid::from_u128(1));
    let store = &bed.base.store;
    let leased = store.lease_messages(10, lost, Duration::MINUTE, now).await;
    assert_eq!(leased.unwrap().messages.len(), 1);
    bed.clock.advance(Duration::MINUTE);
    bed.deliver().await;
    assert_eq!(bed.sender.codes_sent_to(ADA).len(), 1);
    let granted = bed
        .texts("SELECT CAST(granted AS text) AS it FROM message_ceilings")
        .await;
    assert_eq!(granted, ["1"]);
}

/// A provider with room for two at once, who counts.
#[derive(Default)]
struct Narrow {
    there: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl MessageSender for Narrow {
    async fn send(&self, _: &Message) -> Result<(), DeliveryError> {
        let there = self.there.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(there, Ordering::SeqCst);
        tokio::time::sleep(StdDuration::from_millis(20)).await;
        self.there.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    fn at_once(&self, channel: Channel) -> usize {
        match channel {
            Channel::Email => 2,
            Channel::Sms => 0,
        }
    }
}

/// Inside, their time would run out although the provider did nothing wrong.
#[tokio::test]
async fn messages_wait_outside_for_a_provider_with_little_room() {
    let bed = Bed::start().await;
    for person in 0..6 {
        bed.ask_to_register(&format!("person-{person}@example.com"))
            .await;
    }
    let narrow = Arc::new(Narrow::default());
    let notifications = Notifications::new(
        Arc::clone(&bed.base),
        narrow.clone(),
        Arc::new(FakeWriter),
        Ceilings::default(),
    );
    let mut worker = notifications.deliveries();
    let taken = worker.round().await.unwrap().taken;
    worker.finish().await;
    assert_eq!(taken, 6);
    assert_eq!(narrow.most.load(Ordering::SeqCst), 2);
    let tried = bed
        .database
        .count("outbox_messages WHERE attempts <> 0")
        .await;
    assert_eq!(
        tried, 0,
        "whoever found no room has lost no attempt by that"
    );
}
