//! Messages, and what keeps them from going out.

use authentication_app::ports::LeaseToken;
use time::Duration;
use uuid::Uuid;

use crate::bed::Bed;

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
