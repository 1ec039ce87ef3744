//! Cancelled callers: a client disconnects, a task is aborted.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    task::Poll,
};

use authentication_app::ports::{MessageKind, Recipient, StoreError, UniqueRule};
use authentication_domain::sessions::RotationRules;
use tokio::sync::oneshot;

use super::{
    Inspect, Store,
    messages::{finish, lease},
    support::{SignUp, assert_recorded, begin},
};
use crate::{
    builders::{id, message_order, new_account, sign_in_question},
    clock::START,
};

/// More than any pool has connections, so that a leak of them is always noticed.
const OFTEN: usize = 60;

/// Polls `work` at most `steps` times, and drops it while it waits for the result of the last one.
async fn cut_short<T>(work: impl Future<Output = T>, steps: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut taken = 0;
    poll_fn(move |context| {
        taken += 1;
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if taken >= steps => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

pub async fn units_held_by_cancelled_tasks_leave_nothing(store: Store, inspect: &dyn Inspect) {
    for _ in 0..OFTEN {
        let (written, was_written) = oneshot::channel();
        let task = tokio::spawn({
            let store = store.clone();
            async move {
                let mut unit = begin(&store).await;
                SignUp::new().write(unit.as_mut()).await.unwrap();
                written.send(()).expect("somebody waits for it");
                pending::<()>().await;
            }
        });
        was_written.await.expect("the unit is written");
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
    }
    assert_recorded(inspect, 0).await;
    let sign_up = SignUp::new();
    sign_up.commit(&store).await.expect("the store is usable");
    assert!(sign_up.is_there(&store).await);
}

pub async fn a_unit_cancelled_anywhere_is_done_whole_or_not_at_all(
    store: Store,
    inspect: &dyn Inspect,
) {
    let mut committed = 0;
    for steps in 1.. {
        let sign_up = SignUp::new();
        let finished = cut_short(sign_up.commit(&store), steps).await;
        // The database may still execute what was cancelled. A write of the same identifier waits for that, and its
        // result shows the outcome.
        let mut rival = new_account();
        rival.index = sign_up.account.index.clone();
        let mut unit = begin(&store).await;
        let done = match unit.accounts().insert(&rival).await {
            Ok(()) => false,
            Err(StoreError::Conflict(UniqueRule::Identifier)) => true,
            Err(other) => panic!("after {steps} steps: {other:?}"),
        };
        drop(unit);
        committed += usize::from(done);
        assert_eq!(sign_up.is_there(&store).await, done, "after {steps} steps");
        assert_recorded(inspect, committed).await;
        if let Some(finished) = finished {
            finished.expect("nothing else is in the way");
            assert!(done, "it was committed");
            return;
        }
    }
}

pub async fn calls_cancelled_anywhere_leave_the_store_usable(store: Store, inspect: &dyn Inspect) {
    let sign_up = SignUp::new();
    sign_up.commit(&store).await.unwrap();
    let index = &sign_up.account.index;
    let (session, rules) = (sign_up.session.id, RotationRules::default());
    for steps in (1..=3).cycle().take(OFTEN) {
        // Which of them complete does not matter.
        let _ = cut_short(store.sign_in_record(sign_in_question(index, None)), steps).await;
        let _ = cut_short(store.find_snapshot(session, START), steps).await;
        let _ = cut_short(store.rotate(session, 0, rules, START), steps).await;
        let _ = cut_short(store.begin(), steps).await;
    }
    assert!(sign_up.is_there(&store).await);
    // Rotated or not: within the grace time the first generation gets its successor in both cases.
    let rotated = store.rotate(session, 0, rules, START).await.unwrap();
    assert_eq!(rotated.map(|rotated| rotated.generation), Some(1));
    SignUp::new()
        .commit(&store)
        .await
        .expect("connections are left");
    assert_recorded(inspect, 2).await;
}

/// A connection that is returned to the pool during a BEGIN would swallow the next write: executed, acknowledged and
/// never committed.
pub async fn a_cancelled_begin_swallows_no_later_write(store: Store, inspect: &dyn Inspect) {
    /// More than the number of idle connections here, so that each of them executes a write.
    const WRITES: usize = 4;
    let mut left = OFTEN * WRITES;
    let mut unit = begin(&store).await;
    for _ in 0..left {
        let recipient = Recipient::Account(id());
        let order = message_order(MessageKind::PasswordChanged, recipient, START);
        unit.outbox().append_message(&order).await.unwrap();
    }
    unit.commit().await.unwrap();
    let waiting = lease(&store, u32::MAX, START).await;
    assert_eq!(waiting.len(), left);
    for (messages, steps) in waiting.chunks(WRITES).zip((1..=4).cycle()) {
        drop(cut_short(store.begin(), steps).await);
        for message in messages {
            assert!(finish(&store, message.held()).await);
        }
        left -= messages.len();
        assert_eq!(inspect.message_count().await, i64::try_from(left).unwrap());
    }
}
