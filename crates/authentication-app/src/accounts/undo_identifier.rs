//! Undoing a change of identifier, by the link that the previous identifier received.
//!
//! The undo works whatever the current identifier is, so further changes by a thief cannot prevent it. It voids the
//! links of later changes, which went to identifiers that the account should never have had. It also reports that
//! the change was not the owner's, so the account is secured as with any such report.

use authentication_domain::{
    accounts::Identifier,
    audit::{Action, Outcome},
    opaque_token::OpaqueToken,
};

use super::{
    Accounts, NotMeError, OpenedAccount,
    change_identifier::{changed_event, diff_of},
    view::seal_identifier,
};
use crate::{
    RequestContext, corrupt,
    ports::{
        IdentifierSwap, Invalidation, LinkKind, MessageKind, NoticeLink, Recipient, StoreError,
        UniqueRule, previous_field,
    },
    recorder::Act,
    retry::retrying,
    single_use::{Presented, SingleUse},
};

impl Accounts {
    /// Restores the identifier that the account had before a change, and secures the account
    /// (`POST /auth/identifier/undo`).
    ///
    /// # Errors
    /// [`NotMeError`].
    #[tracing::instrument(skip_all)]
    pub async fn undo_identifier_change(
        &self,
        token: &OpaqueToken,
        ctx: &RequestContext,
    ) -> Result<(), NotMeError> {
        let presented = Presented::new(SingleUse::UndoLink, token.digest(), &[], ctx);
        let done = retrying(|| self.undo_once(token, &presented, ctx)).await;
        let again = async |()| Ok(Some(()));
        self.base.settle_once(&presented, done, again).await
    }

    async fn undo_once(
        &self,
        token: &OpaqueToken,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<(), NotMeError> {
        let base = &self.base;
        let now = base.clock.now();
        let kind = LinkKind::IdentifierUndo;
        let (link, opened) = self.follow(token, kind, now).await?;
        let previous = self.previous_of(token, &link, &opened)?;
        let account = opened.id();
        let read_version = opened.view.account.version;
        let index = base.index.keys_of(&previous);
        let sealed = seal_identifier(base.vault.as_ref(), account, &opened.key, &previous);
        let swap = IdentifierSwap {
            account,
            read_version,
            identifier: &sealed,
            method: previous.method(),
            index: &index,
            reserve_until: None,
            now,
        };
        let mut unit = base.begin_change(account).await?;
        self.claim(unit.as_mut(), token, kind, now).await?;
        unit.notices()
            .void_links(account, kind, link.created_at, now)
            .await?;
        match unit.accounts().change_identifier(swap).await {
            Ok(true) => {}
            Ok(false) => return Err(StoreError::Retryable.into()),
            // The identifier was reserved, so this cannot happen in regular operation; the link stays for an
            // investigation.
            Err(StoreError::Conflict(UniqueRule::Identifier)) => {
                return Err(NotMeError::InvalidLink);
            }
            Err(error) => return Err(error.into()),
        }
        let act = Act::of(
            Action::IdentifierChangeUndone,
            Outcome::Success,
            account,
            &opened.key,
        )
        .diff(diff_of(&opened.view.identifier, &previous));
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let ended = self
            .secure(unit.as_mut(), &link, &opened, read_version + 1, ctx, now)
            .await?;
        let event = base.event(changed_event(account, &previous, true), ctx, now);
        unit.outbox().append_events(&[event]).await?;
        let to = Recipient::Account(account);
        base.bare_notice(unit.as_mut(), MessageKind::IdentifierRestored, to, ctx, now)
            .await?;
        base.record_single_use(unit.as_mut(), presented, &(), now)
            .await?;
        let changed = vec![account];
        base.commit_and_tell(unit, &Invalidation { ended, changed })
            .await?;
        base.messages_queued.notify_one();
        Ok(())
    }

    fn previous_of(
        &self,
        token: &OpaqueToken,
        link: &NoticeLink,
        opened: &OpenedAccount,
    ) -> Result<Identifier, StoreError> {
        let field = previous_field(token.digest());
        let unreadable = || corrupt(field.table, field.column);
        let sealed = link.previous.as_ref().ok_or_else(unreadable)?;
        let plain = self.base.open_field(&opened.key, field, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| unreadable())?;
        Identifier::from_stored(text).map_err(|_| unreadable())
    }
}
