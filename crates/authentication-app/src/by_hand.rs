//! What an operator does on the command line, on record. Who it was stands in the ticket that the reason names.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Diff, Outcome},
    events::Event,
    sessions::SessionId,
};
use common::{Id, RequestId, SecureRandom};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ports::{AuditRecord, EventEnvelope, ServicePurpose, Vault};

/// Marks ids that nothing else refers to by type.
enum Entry {}

/// One run of a command.
pub(crate) struct ByHand<'a> {
    pub(crate) vault: &'a dyn Vault,
    pub(crate) random: &'a dyn SecureRandom,
    /// Names the run, as a request is named.
    pub(crate) run: &'a RequestId,
    /// As it is typed.
    pub(crate) command: &'a str,
}

impl ByHand<'_> {
    /// The trail's entry for what was done, of nobody who is known here. `what` is a JSON object that names nobody.
    pub(crate) fn entry(
        &self,
        action: Action,
        (subject, session): (Option<AccountId>, Option<SessionId>),
        what: &Value,
        now: OffsetDateTime,
    ) -> AuditRecord {
        let id = self.new_id(now);
        let seal = |plain: &Value| {
            let plain = serde_json::to_vec(plain).unwrap_or_default();
            let purpose = ServicePurpose::AnonymousAudit;
            self.vault.seal_for_service(purpose, id.as_bytes(), &plain)
        };
        let diff = Diff::between(&json!({}), what);
        let diff = serde_json::to_value(&diff).unwrap_or_default();
        AuditRecord {
            id,
            at: now,
            action,
            outcome: Outcome::Success,
            actor: None,
            subject,
            identifier: None,
            session,
            request_id: self.run.clone(),
            sealed_for: None,
            context: seal(&json!({"command": self.command})),
            diff: Some(seal(&diff)),
        }
    }

    /// Of something that this run makes.
    pub(crate) fn new_id(&self, now: OffsetDateTime) -> Uuid {
        Id::<Entry>::at(now, self.random).as_uuid()
    }

    /// An event on its way out.
    pub(crate) fn event(&self, event: Event, now: OffsetDateTime) -> EventEnvelope {
        EventEnvelope {
            id: Id::at(now, self.random),
            at: now,
            event,
            request_id: self.run.clone(),
        }
    }
}
