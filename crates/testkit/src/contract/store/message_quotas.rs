//! Quotas of messages per recipient, per hour and per day.

use authentication_app::ports::{QuotaGrant, Subject};
use authentication_domain::challenges::ChallengeRules;
use time::{Duration, OffsetDateTime};

use super::{Store, support::begin};
use crate::{
    builders::subject,
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

async fn claim(store: &Store, subject: Subject, now: OffsetDateTime) -> QuotaGrant {
    let rules = ChallengeRules::default();
    in_unit!(store, challenges.claim_message_quota(subject, &rules, now))
        .expect("a message is counted")
}

async fn claim_all(store: &Store, subject: Subject, messages: u32, now: OffsetDateTime) {
    for _ in 0..messages {
        assert_eq!(claim(store, subject, now).await, QuotaGrant::Granted);
    }
}

/// Asks until a message is granted: `retry_at` must be the first moment at which it is.
async fn assert_free_at(
    store: &Store,
    subject: Subject,
    now: OffsetDateTime,
    expected: OffsetDateTime,
) {
    let exhausted = QuotaGrant::Exhausted { retry_at: expected };
    // A refusal counts nothing, so asking does not postpone it.
    for asked_at in [now, now, expected - Duration::MICROSECOND] {
        assert_eq!(claim(store, subject, asked_at).await, exhausted);
    }
    assert_eq!(claim(store, subject, expected).await, QuotaGrant::Granted);
}

pub async fn messages_are_limited_by_the_hour(store: Store) {
    let recipient = subject();
    let an_hour = ChallengeRules::default().messages_per_hour;
    claim_all(&store, recipient, an_hour, START).await;
    assert_free_at(&store, recipient, START, START + Duration::HOUR).await;
}

pub async fn messages_are_limited_by_the_day(store: Store) {
    let recipient = subject();
    let rules = ChallengeRules::default();
    let hours = rules.messages_per_day / rules.messages_per_hour;
    for hour in 0..hours {
        let now = START + Duration::HOUR * hour;
        claim_all(&store, recipient, rules.messages_per_hour, now).await;
    }
    let now = START + Duration::HOUR * hours;
    assert_free_at(&store, recipient, now, START + Duration::DAY).await;
}

pub async fn quotas_are_apart_by_recipient(store: Store) {
    let an_hour = ChallengeRules::default().messages_per_hour;
    let (one, other) = (subject(), subject());
    claim_all(&store, one, an_hour, START).await;
    claim_all(&store, other, an_hour, START).await;
    assert!(matches!(
        claim(&store, one, START).await,
        QuotaGrant::Exhausted { .. }
    ));
    let mut unit = begin(&store).await;
    let undone = subject();
    let rules = ChallengeRules::default();
    for _ in 0..an_hour {
        let granted = unit
            .challenges()
            .claim_message_quota(undone, &rules, START)
            .await;
        assert_eq!(granted.unwrap(), QuotaGrant::Granted);
    }
    drop(unit);
    claim_all(&store, undone, an_hour, START).await;
}

pub async fn exactly_the_allowed_messages_of_fifty_at_once_are_granted(store: Store) {
    for _ in 0..ROUNDS {
        let recipient = subject();
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { claim(&store, recipient, START).await }
        })
        .await;
        let granted = answers
            .iter()
            .filter(|grant| **grant == QuotaGrant::Granted)
            .count();
        assert_eq!(granted, 5);
        let retry_at = START + Duration::HOUR;
        let refused = answers
            .iter()
            .filter(|grant| **grant == QuotaGrant::Exhausted { retry_at });
        assert_eq!(refused.count(), 45);
    }
}
