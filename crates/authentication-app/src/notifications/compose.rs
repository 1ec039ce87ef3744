//! Who gets a message, and what it tells them. Found out at the moment of sending, where no client waits
//! for the answer and can learn from it.

use authentication_domain::{
    accounts::{Closed, Identifier},
    challenges::{CodeNonce, Purpose},
};
use time::OffsetDateTime;

use super::Notifications;
use crate::{
    accounts::OpenedAccount,
    corrupt,
    ports::{
        Letter, LetterKind, MessageKind, MessageOrder, Recipient, ResetLink, ServicePurpose,
        StoreError, Subject,
    },
};

/// A letter and whom it is for.
pub(super) struct Addressed {
    pub(super) to: Identifier,
    pub(super) letter: Letter,
}

impl Addressed {
    fn to_owner(owner: OpenedAccount, kind: LetterKind) -> Self {
        let view = owner.view;
        Self {
            to: view.identifier,
            letter: Letter {
                kind,
                language: view.profile.language,
            },
        }
    }
}

impl Notifications {
    /// The letter, or `None` when nobody is to get one.
    pub(super) async fn compose(
        &self,
        order: &MessageOrder,
        now: OffsetDateTime,
    ) -> Result<Option<Addressed>, StoreError> {
        let (purpose, nonce) = match order.kind {
            MessageKind::Code { purpose, nonce } => (purpose, nonce),
            MessageKind::SignInLocked => {
                let lasts = self.base.rules.lockout.window;
                return self.notice(order, LetterKind::SignInLocked { lasts }).await;
            }
            MessageKind::PasswordChanged => {
                return self.notice(order, LetterKind::PasswordChanged).await;
            }
            MessageKind::SessionStolen => {
                return self.notice(order, LetterKind::SessionStolen).await;
            }
        };
        let Recipient::Subject(subject) = order.recipient else {
            return Ok(None);
        };
        if !self.is_current(subject, purpose, nonce, now).await? {
            return Ok(None);
        }
        let owner = self.owner(order).await?;
        match (purpose, owner) {
            (Purpose::Registration, Some(owner)) => Ok(Some(Addressed::to_owner(
                owner,
                LetterKind::AlreadyRegistered,
            ))),
            (Purpose::Registration, None) => {
                let (to, language) = self.typed_identifier(order)?;
                let kind = self.code(&to, subject, purpose, nonce);
                let letter = Letter { kind, language };
                Ok(Some(Addressed { to, letter }))
            }
            (Purpose::SignIn | Purpose::PasswordReset | Purpose::SecondFactor, Some(owner)) => {
                let kind = self.code(&owner.view.identifier, subject, purpose, nonce);
                Ok(Some(Addressed::to_owner(owner, kind)))
            }
            (Purpose::SignIn | Purpose::PasswordReset | Purpose::SecondFactor, None) => Ok(None),
        }
    }

    async fn notice(
        &self,
        order: &MessageOrder,
        kind: LetterKind,
    ) -> Result<Option<Addressed>, StoreError> {
        let owner = self.owner(order).await?;
        Ok(owner.map(|owner| Addressed::to_owner(owner, kind)))
    }

    fn code(
        &self,
        to: &Identifier,
        subject: Subject,
        purpose: Purpose,
        nonce: CodeNonce,
    ) -> LetterKind {
        let macs = &self.base.macs;
        let rules = &self.base.rules.challenges;
        let has_link = purpose == Purpose::PasswordReset && matches!(to, Identifier::Email(_));
        LetterKind::Code {
            purpose,
            code: macs.code(nonce, purpose, subject),
            lifetime: rules.code_lifetime,
            link: has_link.then(|| ResetLink {
                token: macs.reset_link_token(nonce, subject),
                lifetime: rules.link_lifetime,
            }),
        }
    }

    /// Whoever is meant, if their account was not closed by themselves.
    async fn owner(&self, order: &MessageOrder) -> Result<Option<OpenedAccount>, StoreError> {
        let store = &self.base.store;
        let owner = match order.recipient {
            Recipient::Subject(subject) => {
                let found = store.find_by_subject(subject).await?;
                found
                    .map(|record| self.base.open_account(&record))
                    .transpose()?
            }
            Recipient::Account(account) => self.base.read_account(account).await?,
        };
        let taken = matches!(
            order.kind,
            MessageKind::Code {
                purpose: Purpose::Registration,
                ..
            }
        );
        Ok(owner.filter(|it| taken || it.view.account.gate() != Err(Closed::Absent)))
    }

    async fn is_current(
        &self,
        subject: Subject,
        purpose: Purpose,
        nonce: CodeNonce,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let current = self.base.store.find_dispatch(subject, purpose).await?;
        let rules = &self.base.rules.challenges;
        Ok(current.is_some_and(|it| it.nonce == nonce && rules.code_counts(it.sent_at, now)))
    }

    /// What a registration typed, and the language it asked for.
    fn typed_identifier(
        &self,
        order: &MessageOrder,
    ) -> Result<(Identifier, Option<String>), StoreError> {
        let unreadable = || corrupt("outbox_messages", "typed_identifier");
        let sealed = order.typed_identifier.as_ref().ok_or_else(unreadable)?;
        let purpose = ServicePurpose::PendingRegistration;
        let plain = self
            .base
            .vault
            .open_for_service(purpose, order.id.as_bytes(), sealed)
            .map_err(|_| unreadable())?;
        let text = std::str::from_utf8(&plain).map_err(|_| unreadable())?;
        let (identifier, language) = match text.split_once('\n') {
            Some((identifier, language)) => (identifier, Some(language.to_owned())),
            None => (text, None),
        };
        let identifier = Identifier::parse(identifier).map_err(|_| unreadable())?;
        Ok((identifier, language))
    }
}
