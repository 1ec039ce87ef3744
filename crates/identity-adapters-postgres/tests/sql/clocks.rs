//! A node whose clock is wrong, and does not know yet (ADR 0054).

use std::{
    sync::Arc,
    time::{Duration as StdDuration, Instant},
};

use authentication_app::{
    ports::{SessionQueries as _, StoreError, Ticks, TimeStore as _, UnitOfWorkFactory as _},
    timekeeping::{ServiceClock, Timekeeping},
};
use authentication_domain::sessions::{RotationRules, SessionId};
use common::Clock as _;
use identity_adapters_postgres::Store;
use testkit::{
    TestDatabase,
    builders::{new_account, new_session_at},
};
use time::{Duration, OffsetDateTime};

use crate::store_on;

/// A machine that began at this time by its own clock.
struct Machine(OffsetDateTime, Instant);

impl Ticks for Machine {
    fn wall(&self) -> OffsetDateTime {
        self.0 + self.elapsed()
    }

    fn elapsed(&self) -> StdDuration {
        self.1.elapsed()
    }
}

async fn now_by_the_server(store: &Store) -> OffsetDateTime {
    store.shared_time().await.unwrap().now.unwrap()
}

/// A session whose first token was used a moment ago.
async fn rotated_session(store: &Store) -> SessionId {
    let now = now_by_the_server(store).await;
    let account = new_account();
    let session = new_session_at(account.record.account.id, now);
    let mut unit = store.begin().await.unwrap();
    unit.accounts().insert(&account).await.unwrap();
    unit.sessions().begin(&session, 10).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(refresh(store, session.id, 0, now).await.unwrap(), Some(1));
    session.id
}

/// The generation that is the answer to a token of this one.
async fn refresh(
    store: &Store,
    session: SessionId,
    presented: u32,
    now: OffsetDateTime,
) -> Result<Option<u32>, StoreError> {
    let rules = RotationRules::default();
    let rotated = store.rotate(session, presented, rules, now).await?;
    Ok(rotated.map(|it| it.generation))
}

async fn a_node_that_is_off_by(seconds: i64) {
    let database = TestDatabase::postgres().await;
    let right = store_on(&database).await;
    let session = rotated_session(&right).await;
    let wrong = Arc::new(store_on(&database).await);
    let at = now_by_the_server(&wrong).await + Duration::seconds(seconds);
    let clock = Arc::new(ServiceClock::new(Box::new(Machine(at, Instant::now()))));
    wrong.goes_by(Arc::clone(&clock));
    let before = database.rows("SELECT * FROM sessions").await;
    for presented in [0, 1] {
        let refused = refresh(&wrong, session, presented, clock.now()).await;
        assert!(
            matches!(refused, Err(StoreError::Retryable)),
            "{presented}: {refused:?}"
        );
    }
    let after = database.rows("SELECT * FROM sessions").await;
    assert_eq!(
        format!("{before:?}"),
        format!("{after:?}"),
        "nothing was written"
    );

    // Whoever keeps the clock looks when somebody doubts it, and the same questions are answered.
    let keeping = Timekeeping::new(Arc::clone(&clock), wrong.clone(), Arc::default());
    let keeper = tokio::spawn(async move {
        loop {
            keeping.doubted().await;
            keeping.look().await.unwrap();
        }
    });
    while refresh(&wrong, session, 0, clock.now()).await.is_err() {}
    assert_eq!(
        refresh(&wrong, session, 0, clock.now()).await.unwrap(),
        Some(1),
        "repeated"
    );
    assert_eq!(
        refresh(&wrong, session, 1, clock.now()).await.unwrap(),
        Some(2),
        "rotated"
    );
    let now = now_by_the_server(&right).await;
    assert_eq!(
        refresh(&right, session, 1, now).await.unwrap(),
        Some(2),
        "repeated at another node"
    );
    keeper.abort();
}

#[tokio::test]
async fn a_node_that_is_behind_rotates_nothing_and_ends_nothing() {
    a_node_that_is_off_by(-90).await;
}

#[tokio::test]
async fn a_node_that_is_ahead_rotates_nothing_and_ends_nothing() {
    a_node_that_is_off_by(90).await;
}
