//! The audit trail in the store: append-only.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Outcome},
    sessions::SessionId,
};
use common::RequestId;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Sealed, StoreError, Subject};

/// One entry. Its personal values are sealed under the person's key if there is one, otherwise under the service's
/// key (`sealed_for` says which), so that erasing the person also erases them here.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// UUIDv7.
    pub id: Uuid,
    /// When it happened.
    pub at: OffsetDateTime,
    /// What was done.
    pub action: Action,
    /// How it went.
    pub outcome: Outcome,
    /// The account that acted, if known.
    pub actor: Option<AccountId>,
    /// The account that was affected, if known.
    pub subject: Option<AccountId>,
    /// Keyed digest of the affected identifier, whether or not an account has it.
    pub identifier: Option<Subject>,
    /// The session that was used or affected.
    pub session: Option<SessionId>,
    /// The id of the request that caused it.
    pub request_id: RequestId,
    /// The account whose key seals `context` and `diff`; `None` when the service's key does.
    pub sealed_for: Option<AccountId>,
    /// Address, user agent and place as JSON (`audit_entries.context`).
    pub context: Sealed,
    /// Each changed field with its values before and after, as JSON (`audit_entries.diff`); `None` when no field
    /// changed.
    pub diff: Option<Sealed>,
}

/// Writes within a unit of work.
#[async_trait]
pub trait AuditTrail: Send {
    /// Adds entries, in order, in one statement.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn append(&mut self, entries: &[AuditRecord]) -> Result<(), StoreError>;
}
