//! Ending sessions of many accounts, and what a restore voids: both once, whoever else does the same.

use std::sync::Arc;

use authentication_app::ports::{
    Restore, Revocation, RevocationStore as _, SelectedSessions, SessionSelection,
    UnitOfWorkFactory as _, Voided,
};
use authentication_domain::{mfa::TotpStep, sessions::EndReason};
use common::access::Role;
use identity_adapters_postgres::Store;
use testkit::{
    TestDatabase,
    builders::{new_account, new_session, uuid_at},
    clock::START,
    race::at_once,
};
use time::Duration;

use crate::store_on;

/// So many sessions, of accounts with two each.
async fn sessions(store: &Store, accounts: u32) {
    for _ in 0..accounts {
        let owner = new_account();
        let account = owner.record.account.id;
        let mut unit = store.begin().await.unwrap();
        unit.accounts().insert(&owner).await.unwrap();
        for _ in 0..2 {
            let session = new_session(account);
            unit.sessions().begin(&session, 50).await.unwrap();
        }
        unit.commit().await.unwrap();
    }
}

const ALL: SessionSelection = SessionSelection {
    begun_before: Some(START.saturating_add(Duration::SECOND)),
    begun_since: None,
    role: None,
    account: None,
};

async fn end_batch(store: &Store, selection: &SessionSelection) -> usize {
    let revocation = Revocation {
        selection,
        after: None,
        at_most: 7,
        reason: EndReason::EndedByOperator,
    };
    let mut unit = store.begin().await.unwrap();
    let ended = unit.sessions().end_selected(revocation, START).await;
    let ended = ended.unwrap().len();
    unit.commit().await.unwrap();
    ended
}

/// The number in the first row.
fn number(rows: &[sea_orm::QueryResult]) -> i64 {
    rows.first().unwrap().try_get("", "n").unwrap()
}

testkit::on_every_engine! {
    async fn sessions_that_rivals_end_end_once(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = Arc::new(store_on(&database).await);
        sessions(&store, 10).await;
        let all = SelectedSessions { sessions: 20, accounts: 10 };
        assert_eq!(store.count_selected(&ALL).await.unwrap(), all);
        for nobody in [
            SessionSelection { role: Some(Role::Admin), ..ALL },
            SessionSelection { begun_before: Some(START), ..ALL },
            SessionSelection { begun_since: Some(START + Duration::SECOND), ..ALL },
        ] {
            assert_eq!(store.count_selected(&nobody).await.unwrap().sessions, 0);
            assert_eq!(end_batch(&store, &nobody).await, 0);
        }
        let before = database.rows("SELECT revocations AS n FROM service_clock").await;
        let ended = at_once(6, |_| {
            let store = Arc::clone(&store);
            async move {
                let mut ended = 0;
                loop {
                    match end_batch(&store, &ALL).await {
                        0 => return ended,
                        some => ended += some,
                    }
                }
            }
        })
        .await;
        assert_eq!(ended.into_iter().sum::<usize>(), 20);
        assert_eq!(store.count_selected(&ALL).await.unwrap(), SelectedSessions::default());
        let after = database.rows("SELECT revocations AS n FROM service_clock").await;
        assert!(number(&after) >= number(&before) + 3, "nodes see that something ended");
    }

    async fn what_was_outstanding_is_voided_once(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = Arc::new(store_on(&database).await);
        sessions(&store, 2).await;
        for filled in [
            "INSERT INTO totp_factors (account_id, secret, confirmed_at, last_step, failures) \
             SELECT id, identifier, 0, 5, 0 FROM accounts",
            "INSERT INTO devices (account_id, id, created_at, last_used_at, remembered_until) \
             SELECT id, id, 0, 0, 9000000000000000 FROM accounts",
            "UPDATE sessions SET generation = 4",
        ] {
            database.execute(filled).await;
        }
        let codes = "SELECT count(*) AS n FROM totp_factors WHERE last_step = 77";
        for keeps_sessions in [false, true] {
            let restore = Restore { id: uuid_at(START), marked_at: START, keeps_sessions };
            store.mark_restored(&restore).await.unwrap();
            assert_eq!(store.unfinished_restore().await.unwrap(), Some(restore));
            let voided = at_once(6, |_| {
                let store = Arc::clone(&store);
                async move { store.void_outstanding(&restore, TotpStep(77), START).await.unwrap() }
            })
            .await;
            let voided: Vec<Voided> = voided.into_iter().flatten().collect();
            let expected = if keeps_sessions {
                Voided { sessions_kept: 4, ..Voided::default() }
            } else {
                Voided { devices: 2, ..Voided::default() }
            };
            assert_eq!(voided, [expected]);
            assert_eq!(number(&database.rows(codes).await), 2);
            store.finish_restore(restore.id, START).await.unwrap();
            assert_eq!(store.unfinished_restore().await.unwrap(), None);
        }
        let quiet = "SELECT 1 AS n FROM sessions WHERE proven_generation = 4 AND ended_at IS NULL";
        assert_eq!(database.rows(quiet).await.len(), 4);
    }
}
