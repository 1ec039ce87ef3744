//! Judging a signature: the part that sign-in and the second factor share.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Outcome},
    events::Event,
    passkeys::{CredentialDigest, CredentialState, PasskeyId, UseRefused},
    sessions::DeviceId,
};
use time::OffsetDateTime;

use super::ceremony::InHands;
use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{
        AssertionAnswer, CeremonyFault, CeremonyRecord, MessageKind, PasskeyRecord, PasskeyUse,
        Recipient, StoreError, UnitOfWork,
    },
    recorder::Act,
};

/// A valid signature whose use is not recorded yet.
pub(crate) struct GoodSignature {
    pub(crate) owner: OpenedAccount,
    passkey: PasskeyUse,
}

/// An invalid signature.
pub(crate) struct BadSignature {
    /// The account whose passkey it names, if any.
    owner: Option<AccountId>,
    passkey: Option<PasskeyId>,
    fault: Fault,
}

impl BadSignature {
    /// Whether no account has the passkey that signed (any more).
    pub(crate) fn is_of_an_unknown_passkey(&self) -> bool {
        self.fault == Fault::UnknownPasskey
    }
}

/// Why a signature is invalid.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    UnknownPasskey,
    /// The passkey belongs to an account that may not sign in here.
    AnotherAccount,
    /// The device reports another account's user handle, or none.
    ForeignHandle,
    Answer(CeremonyFault),
    Use(UseRefused),
}

impl Fault {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownPasskey => "unknown_passkey",
            Self::AnotherAccount => "passkey_of_another_account",
            Self::ForeignHandle => "foreign_user_handle",
            Self::Answer(fault) => fault.as_str(),
            Self::Use(UseRefused::CounterRegressed) => "counter_regressed",
            Self::Use(UseRefused::ImpossibleBackupState) => "impossible_backup_state",
        }
    }
}

/// Whose signature is accepted.
#[derive(Clone, Copy)]
pub(crate) enum Signer {
    /// The account named by the device (Level 3 §7.2 step 6: the user handle is then required).
    Anybody,
    /// The account whose first factor was proven.
    Only(AccountId),
}

impl Signer {
    /// A ceremony that was begun for no particular account may be finished by any.
    fn may_end(self, ceremony: &CeremonyRecord) -> bool {
        match (self, ceremony.account) {
            (Self::Only(account), Some(begun_for)) => account == begun_for,
            _ => true,
        }
    }
}

/// A judged answer, in the unit that used up its ceremony.
pub(crate) struct Judged {
    pub(crate) unit: Box<dyn UnitOfWork>,
    /// The owner's known device, if the request presented its token.
    pub(crate) device: Option<DeviceId>,
    pub(crate) signature: Result<GoodSignature, BadSignature>,
    /// Whether consecutive failures are counted for the owner's identifier.
    pub(crate) failures_in_a_row: bool,
}

impl Foundation {
    /// Judges a device's answer to a ceremony, and uses up the ceremony, whatever the result. `None` when the
    /// ceremony is over, or never existed.
    pub(crate) async fn answer_ceremony(
        &self,
        of: InHands,
        answer: &AssertionAnswer,
        signer: Signer,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<Option<Judged>, StoreError> {
        let credential = CredentialDigest::of(&answer.credential_id);
        let found = self.find_ceremony(of, Some(credential), ctx).await?;
        let Some(ceremony) = found.filter(|it| signer.may_end(it)) else {
            return Ok(None);
        };
        let signature = self.judge_signature(&ceremony, answer, signer, now)?;
        let mut unit = self.store.begin().await?;
        let consumed = unit
            .passkeys()
            .consume_ceremony(of.holder, of.purpose, ceremony.id, now)
            .await?;
        let device = match &signature {
            Ok(good) => self.known_device(good.owner.id(), ceremony.device, ctx),
            Err(_) => None,
        };
        Ok(consumed.then_some(Judged {
            unit,
            device,
            signature,
            failures_in_a_row: ceremony.failures_in_a_row,
        }))
    }

    fn judge_signature(
        &self,
        ceremony: &CeremonyRecord,
        answer: &AssertionAnswer,
        signer: Signer,
        now: OffsetDateTime,
    ) -> Result<Result<GoodSignature, BadSignature>, StoreError> {
        let (Some(record), Some(owner)) = (&ceremony.passkey, &ceremony.owner) else {
            return Ok(Err(BadSignature {
                owner: None,
                passkey: None,
                fault: Fault::UnknownPasskey,
            }));
        };
        let refused = |fault| BadSignature {
            owner: Some(record.account),
            passkey: Some(record.id),
            fault,
        };
        if let Signer::Only(account) = signer
            && account != record.account
        {
            return Ok(Err(refused(Fault::AnotherAccount)));
        }
        let handle = self.user_handle(record.account).0;
        let is_theirs = match (&answer.user_handle, signer) {
            (Some(said), _) => said.as_slice() == handle.as_slice(),
            (None, Signer::Only(_)) => true,
            (None, Signer::Anybody) => false,
        };
        if !is_theirs {
            return Ok(Err(refused(Fault::ForeignHandle)));
        }
        let owner = self.open_account(owner)?;
        let judged = self.judge_use(ceremony, answer, &owner, record, now)?;
        Ok(match judged {
            Ok(passkey) => Ok(GoodSignature { owner, passkey }),
            Err(fault) => Err(refused(fault)),
        })
    }

    fn judge_use(
        &self,
        ceremony: &CeremonyRecord,
        answer: &AssertionAnswer,
        owner: &OpenedAccount,
        record: &PasskeyRecord,
        now: OffsetDateTime,
    ) -> Result<Result<PasskeyUse, Fault>, StoreError> {
        let mut credential = self.open_credential(&owner.key, record)?;
        let state = self.open_ceremony(ceremony.id, &ceremony.state)?;
        let signed = match self
            .relying_party
            .finish_assertion(&state, answer, &credential.material)
        {
            Ok(signed) => signed,
            Err(fault) => return Ok(Err(Fault::Answer(fault))),
        };
        let known: CredentialState = credential.state(record.counter);
        let next = match known.after_use(signed) {
            Ok(next) => next,
            Err(refused) => return Ok(Err(Fault::Use(refused))),
        };
        credential.backed_up = next.backed_up;
        Ok(Ok(PasskeyUse {
            id: record.id,
            read_counter: record.counter,
            counter: next.counter,
            credential: self.seal_credential(&owner.key, record.id, &credential),
            at: now,
        }))
    }

    /// Records the use in the unit of its effect.
    ///
    /// # Errors
    /// [`StoreError::Retryable`] when the passkey was used or removed since it was read: the signature must be
    /// judged again with the new counter. The unit must be dropped on an error.
    pub(crate) async fn note_use(
        &self,
        unit: &mut dyn UnitOfWork,
        good: &GoodSignature,
    ) -> Result<(), StoreError> {
        if unit.passkeys().note_use(&good.passkey).await? {
            Ok(())
        } else {
            Err(StoreError::Retryable)
        }
    }

    /// Records a refused signature, and notifies the owner if it suggests a copy of the passkey.
    pub(crate) async fn record_bad_signature(
        &self,
        unit: &mut dyn UnitOfWork,
        action: Action,
        bad: &BadSignature,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let refused = Outcome::Refused(bad.fault.as_str());
        let act = Act::of_nobody(action, refused).about(bad.owner);
        let mut entries = vec![self.record(&act, ctx, now)];
        let copied = bad.fault == Fault::Use(UseRefused::CounterRegressed);
        if let (true, Some(account), Some(passkey)) = (copied, bad.owner, bad.passkey) {
            let act = Act::of_nobody(Action::PasskeyCopySuspected, Outcome::Success);
            entries.push(self.record(&act.about(bad.owner), ctx, now));
            let to = Recipient::Account(account);
            self.bare_notice(unit, MessageKind::PasskeyCopySuspected, to, ctx, now)
                .await?;
            unit.audit().append(&entries).await?;
            let event = Event::PasskeyCopySuspected { account, passkey };
            let event = self.event(event, ctx, now);
            return unit.outbox().append_events(&[event]).await;
        }
        unit.audit().append(&entries).await
    }
}
