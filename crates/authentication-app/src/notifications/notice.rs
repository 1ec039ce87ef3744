//! Notices to the owner of an account, each with a link that says "this was not me".

use authentication_domain::accounts::AccountId;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{
        FieldContext, LinkKind, MessageKind, MessageOrder, NewNoticeLink, Recipient, StoreError,
        UnitOfWork, previous_field,
    },
};

impl Foundation {
    /// Tells the owner of an account what was done to it, with a link by which they say that it was not them.
    /// Two statements; the worker has to be woken after the commit.
    pub(crate) async fn notice(
        &self,
        unit: &mut dyn UnitOfWork,
        kind: MessageKind,
        account: AccountId,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let (order, link) = self.linked_notice(kind, account, ctx, now);
        unit.notices().keep_link(&link).await?;
        unit.outbox().append_message(&order).await
    }

    /// The same to the identifier that the account had before a change, with a link that takes the change back
    /// if it may be.
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

    /// What the link in a notice does, and how long it counts.
    pub(crate) const fn link_of(&self, kind: MessageKind) -> (LinkKind, Duration) {
        let rules = &self.rules.identifiers;
        match kind {
            MessageKind::IdentifierChanged => (LinkKind::IdentifierUndo, rules.undo_for),
            // It has to count as long as there is something to object to.
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

/// Where the notice of a change keeps whom it goes to.
pub(super) const fn previous_recipient_field(message: Uuid) -> FieldContext {
    FieldContext {
        table: "outbox_messages",
        column: "typed_identifier",
        row: message,
    }
}
