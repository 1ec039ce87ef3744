//! Creates audit entries and event envelopes, and seals personal values.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Diff, Outcome},
    events::Event,
    federation::ProviderName,
    sessions::SessionId,
};
use common::Id;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Foundation, RequestContext,
    ports::{
        AuditRecord, DataKey, EventEnvelope, FieldContext, MessageKind, MessageOrder, Recipient,
        Sealed, ServicePurpose, StoreError, Subject,
    },
};

/// The type of ids that nothing else refers to by type.
enum Record {}

/// An act to be recorded. Unknown values stay `None`.
pub(crate) struct Act<'a> {
    pub(crate) action: Action,
    pub(crate) outcome: Outcome,
    /// The account that acted, with the key that seals the entry's personal values. `None` unless the actor has
    /// proven their identity.
    pub(crate) actor: Option<(AccountId, &'a DataKey)>,
    /// The affected account.
    pub(crate) subject: Option<AccountId>,
    pub(crate) identifier: Option<Subject>,
    pub(crate) session: Option<SessionId>,
    pub(crate) diff: Diff,
}

impl<'a> Act<'a> {
    /// An act on an identifier that may belong to no account.
    pub(crate) const fn on_identifier(
        action: Action,
        outcome: Outcome,
        identifier: Subject,
    ) -> Self {
        Self {
            action,
            outcome,
            actor: None,
            subject: None,
            identifier: Some(identifier),
            session: None,
            diff: Diff::empty(),
        }
    }

    /// An act without any claimed identity.
    pub(crate) const fn of_nobody(action: Action, outcome: Outcome) -> Self {
        Self {
            action,
            outcome,
            actor: None,
            subject: None,
            identifier: None,
            session: None,
            diff: Diff::empty(),
        }
    }

    /// An act of a person on their own account.
    pub(crate) const fn of(
        action: Action,
        outcome: Outcome,
        who: AccountId,
        key: &'a DataKey,
    ) -> Self {
        Self {
            action,
            outcome,
            actor: Some((who, key)),
            subject: Some(who),
            identifier: None,
            session: None,
            diff: Diff::empty(),
        }
    }

    /// Adds the affected account, if there is one.
    pub(crate) const fn about(mut self, subject: Option<AccountId>) -> Self {
        self.subject = subject;
        self
    }

    /// Adds the session that was used or affected.
    pub(crate) const fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// Adds the provider of the identity that was used.
    pub(crate) fn at_provider(self, provider: ProviderName) -> Self {
        let told = serde_json::json!({ "provider": provider });
        self.diff(Diff::between(&serde_json::json!({}), &told))
    }

    /// Adds the changed fields.
    pub(crate) fn diff(mut self, diff: Diff) -> Self {
        self.diff = diff;
        self
    }
}

impl Foundation {
    /// Records an act without any other change, such as a refusal, in a separate unit.
    pub(crate) async fn put_on_record(
        &self,
        act: &Act<'_>,
        ctx: &RequestContext,
    ) -> Result<(), StoreError> {
        let entry = self.record(act, ctx, self.clock.now());
        let mut unit = self.store.begin().await?;
        unit.audit().append(&[entry]).await?;
        unit.commit().await
    }

    /// The audit entry for an act.
    pub(crate) fn record(
        &self,
        act: &Act<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> AuditRecord {
        let id = self.new_id(now);
        let seal = |column: &'static str, plain: Vec<u8>| self.seal_entry(act, id, column, &plain);
        let context = serde_json::to_vec(&ctx.origin).unwrap_or_default();
        let diff = serde_json::to_vec(&act.diff).unwrap_or_default();
        AuditRecord {
            id,
            at: now,
            action: act.action,
            outcome: act.outcome,
            actor: act.actor.map(|(who, _)| who),
            subject: act.subject,
            identifier: act.identifier,
            session: act.session,
            request_id: ctx.request_id.clone(),
            sealed_for: act.actor.map(|(who, _)| who),
            context: seal("context", context),
            diff: (!act.diff.is_empty()).then(|| seal("diff", diff)),
        }
    }

    fn seal_entry(&self, act: &Act<'_>, row: Uuid, column: &'static str, plain: &[u8]) -> Sealed {
        match act.actor {
            Some((_, key)) => {
                let context = FieldContext {
                    table: "audit_entries",
                    column,
                    row,
                };
                self.vault.seal(key, context, plain)
            }
            None => {
                self.vault
                    .seal_for_service(ServicePurpose::AnonymousAudit, row.as_bytes(), plain)
            }
        }
    }

    /// An event to be delivered.
    pub(crate) fn event(
        &self,
        event: Event,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> EventEnvelope {
        EventEnvelope {
            id: Id::at(now, self.random.as_ref()),
            at: now,
            event,
            request_id: ctx.request_id.clone(),
        }
    }

    /// A message to be queued. This is the only way to create one, so that a route which is not declared as sending
    /// cannot send any.
    pub(crate) fn message(
        &self,
        kind: MessageKind,
        recipient: Recipient,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> MessageOrder {
        debug_assert!(
            ctx.may_send,
            "the table of routes does not say that this route sends"
        );
        MessageOrder {
            id: self.new_id(now),
            kind,
            recipient,
            link: None,
            typed_identifier: None,
            gathers_until: None,
            at: now,
            request_id: ctx.request_id.clone(),
        }
    }

    pub(crate) fn new_id(&self, now: OffsetDateTime) -> Uuid {
        Id::<Record>::at(now, self.random.as_ref()).as_uuid()
    }
}
