//! Records what operators do on the command line. The operator's name is in the ticket that the reason names.

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

/// The type of ids that nothing else refers to by type.
enum Entry {}

/// One run of a command.
pub(crate) struct ByHand<'a> {
    pub(crate) vault: &'a dyn Vault,
    pub(crate) random: &'a dyn SecureRandom,
    /// Identifies the run, in place of a request id.
    pub(crate) run: &'a RequestId,
    /// The command, as typed.
    pub(crate) command: &'a str,
}

impl ByHand<'_> {
    /// The audit entry for what was done, without an actor. `what` is a JSON object that must name no person.
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

    /// An id for a row of this run.
    pub(crate) fn new_id(&self, now: OffsetDateTime) -> Uuid {
        Id::<Entry>::at(now, self.random).as_uuid()
    }

    /// An event to be delivered.
    pub(crate) fn event(&self, event: Event, now: OffsetDateTime) -> EventEnvelope {
        EventEnvelope {
            id: Id::at(now, self.random),
            at: now,
            event,
            request_id: self.run.clone(),
        }
    }
}
