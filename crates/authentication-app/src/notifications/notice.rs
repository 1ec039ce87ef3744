//! Notices to the owner of an account, most with a link that reports "this was not me".
//!
//! An act that repeats soon after its notice is gathered into one summary. The unit of the act decides this, so a
//! committed act is always either notified or counted, and the queue holds one message instead of many identical
//! ones (`docs/adr/0042-notices-are-gathered.md`). The summary has its own link, created with the first act that it
//! reports, so the link takes back everything since.

use authentication_domain::{accounts::AccountId, protection::Telling};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{
        FieldContext, LinkKind, Measure, MessageKind, MessageOrder, NewNoticeLink, NoticeOutcome,
        NoticedAct, Recipient, StoreError, UnitOfWork, previous_field,
    },
};

impl Foundation {
    /// Notifies the owner of an account of an act, with a link by which they report that it was not them. Takes
    /// three statements, or one if the act is gathered. The caller must wake the worker after the commit.
    pub(crate) async fn notice(
        &self,
        unit: &mut dyn UnitOfWork,
        kind: MessageKind,
        account: AccountId,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let (mut order, mut link) = self.linked_notice(kind, account, ctx, now);
        match self.pace(unit, &order).await? {
            Telling::AtOnce => {}
            Telling::Later { due } => {
                order.gathers_until = Some(due);
                link.expires_at += due - now;
            }
            Telling::Gathered => return Ok(()),
        }
        unit.notices().keep_link(&link).await?;
        unit.outbox().append_message(&order).await
    }

    /// The same without a link: for refused attempts, and for recipients given by an identifier.
    pub(crate) async fn bare_notice(
        &self,
        unit: &mut dyn UnitOfWork,
        kind: MessageKind,
        to: Recipient,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut order = self.message(kind, to, ctx, now);
        match self.pace(unit, &order).await? {
            Telling::AtOnce => {}
            Telling::Later { due } => order.gathers_until = Some(due),
            Telling::Gathered => return Ok(()),
        }
        unit.outbox().append_message(&order).await
    }

    /// Decides how a notice is sent, and counts the act if it is gathered.
    async fn pace(
        &self,
        unit: &mut dyn UnitOfWork,
        order: &MessageOrder,
    ) -> Result<Telling, StoreError> {
        let telling = match order.kind.pace() {
            None => Telling::AtOnce,
            Some(pace) => {
                let act = NoticedAct {
                    recipient: order.recipient.clone(),
                    kind: order.kind,
                    pace,
                    summary: order.id,
                    at: order.at,
                };
                unit.notices().gather(&act).await?
            }
        };
        // A retried unit counts again, as with codes.
        self.meter.note(Measure::Notice(match telling {
            Telling::AtOnce => NoticeOutcome::Queued,
            Telling::Later { .. } => NoticeOutcome::Opened,
            Telling::Gathered => NoticeOutcome::Gathered,
        }));
        Ok(telling)
    }

    /// The same to the identifier that the account had before a change, with a link that undoes the change, if it
    /// can be undone.
    pub(crate) async fn notice_of_change(
        &self,
        unit: &mut dyn UnitOfWork,
        owner: &OpenedAccount,
        can_be_undone: bool,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let kind = MessageKind::IdentifierChanged;
        let (mut order, mut link) = self.linked_notice(kind, owner.id(), ctx, now);
        let text = Zeroizing::new(owner.view.identifier.to_text());
        let seal = |field| self.vault.seal(&owner.key, field, text.as_bytes());
        link.previous = Some(seal(previous_field(link.digest)));
        order.typed_identifier = Some(seal(previous_recipient_field(order.id)));
        if can_be_undone {
            unit.notices().keep_link(&link).await?;
        } else {
            order.link = None;
        }
        unit.outbox().append_message(&order).await
    }

    /// The effect of the link in a notice, and how long it is valid.
    pub(crate) const fn link_of(&self, kind: MessageKind) -> (LinkKind, Duration) {
        let rules = &self.rules.identifiers;
        match kind {
            MessageKind::IdentifierChanged => (LinkKind::IdentifierUndo, rules.undo_for),
            // The link must stay valid as long as the owner can object.
            MessageKind::FactorResetAnnounced => (
                LinkKind::NotMe,
                rules
                    .notice_link_lifetime
                    .saturating_add(rules.factor_reset_wait),
            ),
            _ => (LinkKind::NotMe, rules.notice_link_lifetime),
        }
    }

    fn linked_notice(
        &self,
        kind: MessageKind,
        account: AccountId,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> (MessageOrder, NewNoticeLink) {
        let nonce = self.macs.code_nonce(self.random_bytes());
        let (link_kind, lifetime) = self.link_of(kind);
        let link = NewNoticeLink {
            digest: self.macs.notice_link_token(nonce, account).digest(),
            account,
            kind: link_kind,
            previous: None,
            created_at: now,
            expires_at: now + lifetime,
        };
        let order = MessageOrder {
            link: Some(nonce),
            ..self.message(kind, Recipient::Account(account), ctx, now)
        };
        (order, link)
    }
}

/// The field context of the recipient of a notice of change.
pub(super) const fn previous_recipient_field(message: Uuid) -> FieldContext {
    FieldContext {
        table: "outbox_messages",
        column: "typed_identifier",
        row: message,
    }
}
