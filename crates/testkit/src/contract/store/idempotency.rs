//! Recorded answers.

use authentication_app::ports::{IdempotencyKey, IdempotencyRecord};
use time::{Duration, OffsetDateTime};
use tokio::sync::oneshot;

use super::{Store, support::begin};
use crate::{
    builders::{idempotency_record, sealed},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const MOMENT: Duration = Duration::MICROSECOND;

async fn find(
    store: &Store,
    key: IdempotencyKey,
    now: OffsetDateTime,
) -> Option<IdempotencyRecord> {
    let found = store.find_idempotency_record(key, now).await;
    found.expect("the store answers")
}

/// Records as a use case does: the unit is dropped if another answer was already recorded.
async fn record(
    store: &Store,
    record: &IdempotencyRecord,
    now: OffsetDateTime,
) -> Option<IdempotencyRecord> {
    let mut unit = begin(store).await;
    let earlier = unit
        .idempotency()
        .record(record, now)
        .await
        .expect("it is recorded or not");
    if earlier.is_none() {
        unit.commit().await.expect("the unit commits");
    }
    earlier
}

pub async fn a_recorded_answer_is_found_until_it_expires(store: Store) {
    let answer = idempotency_record();
    assert_eq!(find(&store, answer.key, START).await, None);
    assert_eq!(record(&store, &answer, START).await, None);
    for now in [START, answer.expires_at - MOMENT] {
        assert_eq!(find(&store, answer.key, now).await.as_ref(), Some(&answer));
    }
    assert_eq!(find(&store, answer.key, answer.expires_at).await, None);
    assert_eq!(find(&store, idempotency_record().key, START).await, None);
}

pub async fn the_first_answer_of_a_key_stays(store: Store) {
    let first = idempotency_record();
    record(&store, &first, START).await;
    // Both for a repetition of the same request and for another request with its key.
    for fingerprint in [first.fingerprint, idempotency_record().fingerprint] {
        let second = IdempotencyRecord {
            fingerprint,
            answer: sealed(),
            ..first.clone()
        };
        let now = first.expires_at - MOMENT;
        assert_eq!(record(&store, &second, now).await.as_ref(), Some(&first));
        assert_eq!(find(&store, first.key, now).await.as_ref(), Some(&first));
    }
    assert_eq!(
        record(&store, &idempotency_record(), START).await,
        None,
        "another key is free"
    );
}

pub async fn an_expired_answer_is_replaced(store: Store) {
    let first = idempotency_record();
    record(&store, &first, START).await;
    let now = first.expires_at;
    let second = IdempotencyRecord {
        expires_at: now + Duration::DAY,
        key: first.key,
        ..idempotency_record()
    };
    assert_eq!(record(&store, &second, now).await, None);
    assert_eq!(find(&store, first.key, now).await, Some(second));
}

pub async fn of_fifty_answers_to_one_key_one_is_recorded(store: Store) {
    for _ in 0..ROUNDS {
        let key = idempotency_record().key;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let own = IdempotencyRecord {
                key,
                ..idempotency_record()
            };
            async move {
                let earlier = record(&store, &own, START).await;
                (own, earlier)
            }
        })
        .await;
        let (winners, others): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|(_, earlier)| earlier.is_none());
        let [(winner, _)] = <[_; 1]>::try_from(winners).expect("one wins");
        assert!(
            others
                .iter()
                .all(|(_, earlier)| earlier.as_ref() == Some(&winner))
        );
        assert_eq!(find(&store, key, START).await, Some(winner));
    }
}

pub async fn a_rival_that_gives_up_leaves_the_key_free(store: Store) {
    let first = idempotency_record();
    let second = IdempotencyRecord {
        key: first.key,
        ..idempotency_record()
    };
    let mut unit = begin(&store).await;
    assert_eq!(
        unit.idempotency().record(&first, START).await.unwrap(),
        None
    );
    let (started, has_started) = oneshot::channel();
    let rival = tokio::spawn({
        let (store, second) = (store.clone(), second.clone());
        async move {
            started.send(()).expect("somebody waits for it");
            record(&store, &second, START).await
        }
    });
    has_started.await.expect("the rival starts");
    drop(unit);
    assert_eq!(rival.await.expect("the rival ends"), None);
    assert_eq!(find(&store, first.key, START).await, Some(second));
}
