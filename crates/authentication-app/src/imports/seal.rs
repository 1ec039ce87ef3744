//! The rows, audit entries and events of an imported person.

use authentication_domain::{
    accounts::AccountStatus,
    audit::{Action, Diff, Outcome},
    events::Event,
    federation::ProviderName,
};
use common::{Id, timestamps::Timestamps};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{Candidate, Imports};
use crate::{
    accounts::{AccountDraft, OpenedAccount},
    federation::IdentitySealing,
    ports::{AuditRecord, EventEnvelope, FieldContext, NewFederatedIdentity, NewImport},
};

/// The type of ids that nothing else refers to by type.
enum Entry {}

/// Everything that is written for one person.
pub(super) struct Sealed {
    pub(super) user: NewImport,
    pub(super) entry: AuditRecord,
    pub(super) event: EventEnvelope,
}

impl Imports {
    pub(super) fn seal(&self, candidate: &Candidate, now: OffsetDateTime) -> Sealed {
        let ports = &self.ports;
        let draft = AccountDraft {
            id: Id::at(now, ports.random.as_ref()),
            identifier: candidate.identifier.clone(),
            sign_up_method: candidate.identifier.method(),
            status: if candidate.suspended {
                AccountStatus::Suspended { since: now }
            } else {
                AccountStatus::Active
            },
            roles: candidate.roles,
            profile: candidate.profile.clone(),
            wallet: candidate.wallet,
            password: candidate.password.clone(),
            timestamps: Timestamps {
                updated_at: now,
                ..Timestamps::new(candidate.joined)
            },
        };
        let (opened, account) = draft.seal(ports.vault.as_ref(), ports.index.as_ref());
        let event = Event::AccountImported {
            account: opened.id(),
            roles: candidate.roles,
            legacy_id: candidate.legacy_id.clone(),
        };
        Sealed {
            entry: self.entry(candidate, &opened, now),
            event: EventEnvelope {
                id: Id::at(now, ports.random.as_ref()),
                at: now,
                event,
                request_id: self.run.clone(),
            },
            user: NewImport {
                identities: self.identities(candidate, &opened, now),
                legacy_id: candidate.legacy_id.clone(),
                fingerprint: candidate.fingerprint,
                account,
            },
        }
    }

    fn identities(
        &self,
        candidate: &Candidate,
        opened: &OpenedAccount,
        now: OffsetDateTime,
    ) -> Vec<NewFederatedIdentity> {
        let ports = &self.ports;
        let sealing = IdentitySealing {
            vault: ports.vault.as_ref(),
            account: opened.id(),
            key: &opened.key,
            now,
        };
        let identities = candidate.identities.iter();
        identities
            .map(|(provider, identity)| {
                let id = Id::<Entry>::at(now, ports.random.as_ref()).as_uuid();
                sealing.seal(id, *provider, identity)
            })
            .collect()
    }

    /// The audit entry, sealed under the person's key. It also keeps values of Django's row that have no other
    /// place.
    fn entry(
        &self,
        candidate: &Candidate,
        opened: &OpenedAccount,
        now: OffsetDateTime,
    ) -> AuditRecord {
        let ports = &self.ports;
        let account = &opened.view.account;
        let id = Id::<Entry>::at(now, ports.random.as_ref()).as_uuid();
        let text = |at: OffsetDateTime| at.format(&Rfc3339).ok();
        let providers = candidate.identities.iter().map(|(name, _)| *name);
        let providers: Vec<ProviderName> = providers.collect();
        let after = json!({
            "legacy_id": candidate.legacy_id.as_str(),
            "status": account.status.as_str(),
            "roles": account.roles,
            "wallet": candidate.wallet,
            "date_joined": text(candidate.joined),
            "last_login": candidate.last_login.and_then(text),
            "providers": providers,
        });
        let diff = Diff::between(&json!({}), &after);
        let seal = |column, plain: &[u8]| {
            let context = field(column, id);
            ports.vault.seal(&opened.key, context, plain)
        };
        AuditRecord {
            id,
            at: now,
            action: Action::AccountImported,
            outcome: Outcome::Success,
            actor: None,
            subject: Some(account.id),
            identifier: None,
            session: None,
            request_id: self.run.clone(),
            sealed_for: Some(account.id),
            context: seal("context", br#"{"command":"users import"}"#),
            diff: Some(seal("diff", &serde_json::to_vec(&diff).unwrap_or_default())),
        }
    }
}

const fn field(column: &'static str, row: Uuid) -> FieldContext {
    FieldContext {
        table: "audit_entries",
        column,
        row,
    }
}
