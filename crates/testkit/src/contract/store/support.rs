//! Helpers shared by the facts.

use std::future::Future;

use authentication_app::ports::{
    AuditRecord, Batch, EventEnvelope, IndexKeys, MessageKind, MessageOrder, NewAccount,
    NewSession, Recipient, SessionSnapshot, SignInRecord, StoreError, UnitOfWork,
};
use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Outcome},
    sessions::SessionId,
};
use time::{Duration, OffsetDateTime};

use super::{Inspect, Store};
use crate::{builders, clock::START};

/// How many sessions an account may have in tests that do not test the limit.
pub(super) const MANY: u32 = 1_000;

/// One call on one repository in a separate unit, which is committed: `in_unit!(store, sessions.end(id, …))`.
/// Returns the call's `Result`.
macro_rules! in_unit {
    ($store:expr, $repository:ident.$call:ident($($argument:expr),* $(,)?)) => {
        $crate::contract::store::support::retrying(|| async {
            let mut unit = $store.begin().await?;
            let answer = unit.$repository().$call($($argument),*).await?;
            unit.commit().await?;
            Ok(answer)
        })
        .await
    };
}

/// Retries a unit as use cases do: at most three attempts in all.
pub(super) async fn retrying<T, F>(attempt: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 1..3 {
        match attempt().await {
            Err(StoreError::Retryable) => {}
            done => return done,
        }
    }
    attempt().await
}

pub(super) async fn begin(store: &Store) -> Box<dyn UnitOfWork> {
    store.begin().await.expect("a unit of work begins")
}

/// Inserts the account and returns it.
pub(super) async fn register(store: &Store, account: NewAccount) -> NewAccount {
    in_unit!(store, accounts.insert(&account)).expect("nobody has the identifier");
    account
}

/// Inserts and returns a new active account.
pub(super) async fn somebody(store: &Store) -> NewAccount {
    register(store, builders::new_account()).await
}

/// Begins a session of the account at [`START`].
pub(super) async fn sign_in(store: &Store, account: AccountId) -> NewSession {
    let session = builders::new_session(account);
    begin_session(store, &session).await;
    session
}

pub(super) async fn begin_session(store: &Store, session: &NewSession) {
    let ended = in_unit!(store, sessions.begin(session, MANY)).expect("a session begins");
    assert_eq!(ended, [], "no session ends for one more");
}

pub(super) async fn snapshot(
    store: &Store,
    session: SessionId,
    now: OffsetDateTime,
) -> Option<SessionSnapshot> {
    let found = store.find_snapshot(session, now).await;
    found.expect("the store answers")
}

pub(super) async fn is_live(store: &Store, session: SessionId, now: OffsetDateTime) -> bool {
    snapshot(store, session, now).await.is_some()
}

pub(super) async fn sign_in_record(store: &Store, identifier: &IndexKeys) -> SignInRecord {
    let record = store
        .sign_in_record(builders::sign_in_question(identifier, None))
        .await;
    record.expect("the store answers")
}

/// A batch with all accounts.
pub(super) fn whole_batch() -> Batch {
    Batch {
        after: builders::id_at(START - Duration::DAY),
        until: None,
    }
}

/// How many of the answers are `true`.
pub(super) fn wins(answers: &[bool]) -> usize {
    answers.iter().filter(|won| **won).count()
}

/// One of everything that a unit of work can write, as at a registration.
pub(super) struct SignUp {
    pub(super) account: NewAccount,
    pub(super) session: NewSession,
    entry: AuditRecord,
    event: EventEnvelope,
    message: MessageOrder,
}

impl SignUp {
    pub(super) fn new() -> Self {
        let account = builders::new_account();
        let id = account.record.account.id;
        let recipient = Recipient::Account(id);
        Self {
            session: builders::new_session(id),
            entry: builders::audit_record(Action::AccountRegistered, Outcome::Success),
            event: builders::event_envelope(builders::session_ended(id)),
            message: builders::message_order(MessageKind::PasswordChanged, recipient, START),
            account,
        }
    }

    pub(super) async fn write(&self, unit: &mut dyn UnitOfWork) -> Result<(), StoreError> {
        unit.accounts().insert(&self.account).await?;
        unit.sessions().begin(&self.session, MANY).await?;
        unit.audit()
            .append(std::slice::from_ref(&self.entry))
            .await?;
        unit.outbox()
            .append_events(std::slice::from_ref(&self.event))
            .await?;
        unit.outbox().append_message(&self.message).await
    }

    pub(super) async fn commit(&self, store: &Store) -> Result<(), StoreError> {
        let mut unit = store.begin().await?;
        self.write(unit.as_mut()).await?;
        unit.commit().await
    }

    /// Whether its account and its session can be read. Asserts that either both or none can.
    pub(super) async fn is_there(&self, store: &Store) -> bool {
        let account = store.find_by_subject(self.account.index.subject).await;
        let account = account.expect("the store answers").is_some();
        assert_eq!(is_live(store, self.session.id, START).await, account);
        account
    }
}

/// Asserts that what no port exposes adds up to `sign_ups` sign-ups.
pub(super) async fn assert_recorded(inspect: &dyn Inspect, sign_ups: usize) {
    assert_eq!(inspect.audit_entries().await.len(), sign_ups);
    assert_eq!(inspect.event_types().await.len(), sign_ups);
    let sign_ups = i64::try_from(sign_ups).expect("a small number");
    assert_eq!(inspect.message_count().await, sign_ups);
    assert_eq!(inspect.session_count().await, sign_ups);
}
