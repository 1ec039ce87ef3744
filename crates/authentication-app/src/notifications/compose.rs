//! The recipient and content of a message. They are determined when the message is sent, so that no client waits
//! for the result and can learn from it.

use authentication_domain::{
    accounts::{AccountId, Closed, Identifier},
    challenges::{CodeNonce, Purpose},
};
use time::OffsetDateTime;

use super::{Notifications, notice::previous_recipient_field};
use crate::{
    accounts::OpenedAccount,
    challenges::ReadTyped,
    corrupt,
    ports::{
        CodeDispatch, Letter, LetterKind, MessageKind, MessageOrder, OwnerLink, Recipient,
        ResetLink, Sealed, ServicePurpose, StoreError, Subject,
    },
};

/// A letter and its recipient.
pub(super) struct Addressed {
    pub(super) to: Identifier,
    pub(super) letter: Letter,
}

/// The kind of a message.
enum CodeOrNotice {
    Code(Purpose, CodeNonce),
    Notice(LetterKind),
}

impl Addressed {
    fn to_owner(owner: OpenedAccount, kind: LetterKind) -> Self {
        let view = owner.view;
        Self {
            to: view.identifier,
            letter: Letter {
                kind,
                gathered: None,
                link: None,
                language: view.profile.language,
            },
        }
    }
}

impl Notifications {
    /// The letter and its recipient; `None` when there is no recipient.
    pub(super) async fn compose(
        &self,
        order: &MessageOrder,
        now: OffsetDateTime,
    ) -> Result<Option<Addressed>, StoreError> {
        let (purpose, nonce) = match self.letter_of(order.kind) {
            CodeOrNotice::Code(purpose, nonce) => (purpose, nonce),
            CodeOrNotice::Notice(kind) => return self.notice(order, kind, now).await,
        };
        let Recipient::Subject(subject) = order.recipient else {
            return Ok(None);
        };
        let Some(sent) = self.current(subject, purpose, nonce, now).await? else {
            return Ok(None);
        };
        let owner = self.owner(order).await?;
        match (purpose, owner) {
            (Purpose::Registration | Purpose::IdentifierChange, Some(owner)) => Ok(Some(
                Addressed::to_owner(owner, LetterKind::AlreadyRegistered),
            )),
            (Purpose::Registration | Purpose::IdentifierChange, None) => {
                let typed = self.typed(order)?;
                // A former owner may take the identifier back, so a code could not give it to another account.
                let reserved = self.base.store.is_reserved(subject, typed.asking, now);
                let kind = if reserved.await? {
                    LetterKind::AlreadyRegistered
                } else {
                    self.code(&typed.identifier, subject, purpose, sent)
                };
                let letter = Letter {
                    kind,
                    gathered: None,
                    link: None,
                    language: typed.language,
                };
                let to = typed.identifier;
                Ok(Some(Addressed { to, letter }))
            }
            (Purpose::SignIn | Purpose::PasswordReset | Purpose::SecondFactor, Some(owner)) => {
                let kind = self.code(&owner.view.identifier, subject, purpose, sent);
                Ok(Some(Addressed::to_owner(owner, kind)))
            }
            (Purpose::SignIn | Purpose::PasswordReset | Purpose::SecondFactor, None) => Ok(None),
        }
    }

    async fn notice(
        &self,
        order: &MessageOrder,
        kind: LetterKind,
        now: OffsetDateTime,
    ) -> Result<Option<Addressed>, StoreError> {
        let Some(owner) = self.owner(order).await? else {
            return Ok(None);
        };
        // If the number may have been reassigned, its current holder must not act for the previous one.
        let nonce = match order.link {
            Some(_) if self.base.is_silent(&owner, now).await? => None,
            // Another link was used while the summary waited: what this one would do is done.
            Some(nonce)
                if order.gathers_until.is_some()
                    && !self.counts(order, nonce, owner.id(), now).await? =>
            {
                None
            }
            link => link,
        };
        let link = nonce.map(|nonce| self.link(order, nonce, owner.id()));
        let previous = match &order.typed_identifier {
            Some(sealed) if order.kind == MessageKind::IdentifierChanged => {
                Some(self.previous_identifier(order, &owner, sealed)?)
            }
            _ => None,
        };
        let mut addressed = Addressed::to_owner(owner, kind);
        addressed.letter.link = link;
        if let Some(previous) = previous {
            addressed.to = previous;
        }
        Ok(Some(addressed))
    }

    fn letter_of(&self, kind: MessageKind) -> CodeOrNotice {
        CodeOrNotice::Notice(match kind {
            MessageKind::Code { purpose, nonce } => return CodeOrNotice::Code(purpose, nonce),
            MessageKind::SignInLocked => LetterKind::SignInLocked {
                lasts: self.base.rules.lockout.window,
            },
            MessageKind::GuessingStopped => LetterKind::GuessingStopped,
            MessageKind::PasswordChanged => LetterKind::PasswordChanged,
            MessageKind::SessionStolen => LetterKind::SessionStolen,
            MessageKind::NewDevice => LetterKind::NewDevice,
            MessageKind::CredentialAdded(what) => LetterKind::CredentialAdded(what),
            MessageKind::CredentialRemoved(what) => LetterKind::CredentialRemoved(what),
            MessageKind::RecoveryCodeUsed => LetterKind::RecoveryCodeUsed,
            MessageKind::RecoveryCodesLow => LetterKind::RecoveryCodesLow,
            MessageKind::IdentifierChanged => LetterKind::IdentifierChanged,
            MessageKind::IdentifierRestored => LetterKind::IdentifierRestored,
            MessageKind::AccountSecured => LetterKind::AccountSecured,
            MessageKind::FactorResetAnnounced => LetterKind::FactorResetAnnounced {
                wait: self.base.rules.identifiers.factor_reset_wait,
            },
            MessageKind::FactorsReset => LetterKind::FactorsReset,
            MessageKind::PasskeyCopySuspected => LetterKind::PasskeyCopySuspected,
            MessageKind::SecondFactorRefused => LetterKind::SecondFactorRefused,
            MessageKind::AuthenticatorClosed => LetterKind::AuthenticatorClosed,
        })
    }

    fn link(&self, order: &MessageOrder, nonce: CodeNonce, account: AccountId) -> OwnerLink {
        let (kind, lifetime) = self.base.link_of(order.kind);
        OwnerLink {
            kind,
            token: self.base.macs.notice_link_token(nonce, account),
            lifetime,
        }
    }

    async fn counts(
        &self,
        order: &MessageOrder,
        nonce: CodeNonce,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let link = self.link(order, nonce, account);
        let store = &self.base.store;
        let found = store.find_notice_link(link.token.digest(), link.kind, now);
        Ok(found.await?.is_some())
    }

    /// The identifier before the change.
    fn previous_identifier(
        &self,
        order: &MessageOrder,
        owner: &OpenedAccount,
        sealed: &Sealed,
    ) -> Result<Identifier, StoreError> {
        let field = previous_recipient_field(order.id);
        let plain = self.base.open_field(&owner.key, field, sealed)?;
        std::str::from_utf8(&plain)
            .ok()
            .and_then(|text| Identifier::from_stored(text).ok())
            .ok_or_else(|| corrupt(field.table, field.column))
    }

    fn code(
        &self,
        to: &Identifier,
        subject: Subject,
        purpose: Purpose,
        sent: CodeDispatch,
    ) -> LetterKind {
        let macs = &self.base.macs;
        let rules = &self.base.rules.challenges;
        let has_link = purpose == Purpose::PasswordReset && matches!(to, Identifier::Email(_));
        LetterKind::Code {
            purpose,
            code: macs.code(sent.nonce, sent.format, purpose, subject),
            lifetime: rules.code_lifetime,
            link: has_link.then(|| ResetLink {
                token: macs.reset_link_token(sent.nonce, subject),
                lifetime: rules.link_lifetime,
            }),
        }
    }

    /// The owner of the recipient account, unless they closed it.
    async fn owner(&self, order: &MessageOrder) -> Result<Option<OpenedAccount>, StoreError> {
        let store = &self.base.store;
        let owner = match order.recipient {
            Recipient::Subject(subject) => {
                let found = store.find_by_subject(subject).await?;
                found
                    .map(|record| self.base.open_found(&record, subject))
                    .transpose()?
            }
            Recipient::Account(account) => self.reached(account).await?,
        };
        let taken = matches!(
            order.kind,
            MessageKind::Code {
                purpose: Purpose::Registration | Purpose::IdentifierChange,
                ..
            }
        );
        Ok(owner.filter(|it| taken || it.view.account.gate() != Err(Closed::Absent)))
    }

    /// The account, if its owner can be reached by the identifier under which it is found (ADR 0046).
    async fn reached(&self, account: AccountId) -> Result<Option<OpenedAccount>, StoreError> {
        let base = &self.base;
        let Some(owner) = base.read_account(account).await? else {
            return Ok(None);
        };
        if base.is_found_by_its_identifier(&owner).await? {
            return Ok(Some(owner));
        }
        // The account may have changed between the two reads; a retry then reads both again.
        let again = base.read_account(account).await?;
        if again.is_some_and(|again| again.view.account.version != owner.view.account.version) {
            return Err(StoreError::Retryable);
        }
        tracing::error!(%account, "an identifier is not the one that its account is found by");
        Err(corrupt("accounts", "identifier"))
    }

    /// The sending, if it is still the current one and its code is valid.
    async fn current(
        &self,
        subject: Subject,
        purpose: Purpose,
        nonce: CodeNonce,
        now: OffsetDateTime,
    ) -> Result<Option<CodeDispatch>, StoreError> {
        let current = self.base.store.find_dispatch(subject, purpose).await?;
        let rules = &self.base.rules.challenges;
        Ok(current.filter(|it| it.nonce == nonce && rules.code_counts(it.sent_at, now)))
    }

    /// The typed identifier of a registration or change.
    fn typed(&self, order: &MessageOrder) -> Result<ReadTyped, StoreError> {
        let unreadable = || corrupt("outbox_messages", "typed_identifier");
        let sealed = order.typed_identifier.as_ref().ok_or_else(unreadable)?;
        let purpose = ServicePurpose::PendingRegistration;
        let plain = self
            .base
            .vault
            .open_for_service(purpose, order.id.as_bytes(), sealed)
            .map_err(|_| unreadable())?;
        let text = std::str::from_utf8(&plain).map_err(|_| unreadable())?;
        ReadTyped::of(text).ok_or_else(unreadable)
    }
}
