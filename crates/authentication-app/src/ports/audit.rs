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

/// One entry. What is personal in it is sealed: under the person's key when there is one, for the service
/// otherwise (`context_key` tells), so that erasing the person erases it here too.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// UUIDv7.
    pub id: Uuid,
    /// When.
    pub at: OffsetDateTime,
    /// What.
    pub action: Action,
    /// How it went.
    pub outcome: Outcome,
    /// Who acted, if they are known.
    pub actor: Option<AccountId>,
    /// Whom it was done to, if they are known.
    pub subject: Option<AccountId>,
    /// The identifier it was done to, keyed, known or not.
    pub identifier: Option<Subject>,
    /// Through or to which session.
    pub session: Option<SessionId>,
    /// The request it came with.
    pub request_id: RequestId,
    /// Whose key seals `context` and `diff`; `None` for the service's.
    pub sealed_for: Option<AccountId>,
    /// Address, user agent, place, as JSON (`audit_entries.context`).
    pub context: Sealed,
    /// Field: before, after, as JSON (`audit_entries.diff`); absent when no field changed.
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
