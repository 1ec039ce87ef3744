//! Adding a passkey to one's own account.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::CredentialKind,
    events::Event,
    passkeys::{CeremonyPurpose, CredentialDigest, PasskeyId, holder_of_session},
    profiles::DisplayName,
    sessions::EndReason,
};
use common::Id;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{PasskeyView, Passkeys, ceremony::InHands, stored::StoredCredential};
use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{
        AttestationAnswer, CeremonyFault, EnrolledCredential, MessageKind, PasskeyRecord,
        SessionSnapshot, StoreError, UniqueRule, UnitOfWork,
    },
    recorder::Act,
    retry::{retry_on_store_error, retrying},
    single_use::{Presented, SingleUse, SingleUseError},
};

/// An answer to [`Passkeys::begin_enrolment`].
#[derive(Debug)]
pub struct Enrol {
    /// The device's answer.
    pub answer: AttestationAnswer,
    /// The name that its owner gives it.
    pub name: Option<DisplayName>,
}

/// Why no passkey was added.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The ceremony is over or was never begun in this session, the answer is not valid, or an account already has
    /// its credential; a client cannot distinguish these.
    #[error("the passkey does not count")]
    InvalidPasskey,
    /// The account has the maximum number of passkeys.
    #[error("the account has as many passkeys as it may have")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(EnrolError);

impl SingleUseError for EnrolError {
    fn used_up() -> Self {
        Self::InvalidPasskey
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::InvalidPasskey)
    }
}

impl Passkeys {
    /// Adds a passkey. The ceremony is used up, whatever the result. The session is unchanged: its tokens stay
    /// valid and gain no rights.
    ///
    /// # Errors
    /// [`EnrolError`].
    #[tracing::instrument(skip_all)]
    pub async fn enrol(
        &self,
        who: &SessionSnapshot,
        command: &Enrol,
        ctx: &RequestContext,
    ) -> Result<PasskeyView, EnrolError> {
        let presented = presented(who, command, ctx);
        let done = retrying(|| self.enrol_once(who, command, &presented, ctx)).await;
        let again = async |added| self.added(who, added).await;
        self.base.settle_once(&presented, done, again).await
    }

    /// The passkey that the same request added a moment ago, if its response was lost. For a session that may not
    /// add one now: once the account has its first passkey, the sign-in that added it is no longer sufficient.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn enrolled_before(
        &self,
        who: &SessionSnapshot,
        command: &Enrol,
        ctx: &RequestContext,
    ) -> Result<Option<PasskeyView>, StoreError> {
        let presented = presented(who, command, ctx);
        match self.base.take_what_is_left(&presented).await? {
            Some(added) => self.added(who, added).await,
            None => Ok(None),
        }
    }

    async fn added(
        &self,
        who: &SessionSnapshot,
        added: PasskeyId,
    ) -> Result<Option<PasskeyView>, StoreError> {
        let list = self.list(who).await?;
        Ok(list.passkeys.into_iter().find(|it| it.id == added))
    }

    async fn enrol_once(
        &self,
        who: &SessionSnapshot,
        command: &Enrol,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<PasskeyView, EnrolError> {
        let base = &self.base;
        let account = who.owner.account.id;
        let of = InHands {
            holder: holder_of_session(who.session),
            purpose: CeremonyPurpose::Enrolment,
        };
        let now = base.clock.now();
        // The snapshot may be a second old; a concurrent end of the session has increased the version that is
        // compared here. Read before the ceremony, so that a version change in between is either seen there or
        // detected by the version check.
        let fresh = base.as_of_now(who, now).await?;
        let owner = base.open_account(&fresh.owner)?;
        let ceremony = base
            .find_ceremony(of, None, ctx)
            .await?
            .filter(|ceremony| ceremony.account == Some(account))
            .ok_or(EnrolError::InvalidPasskey)?;
        let enrolment = Enrolment {
            who,
            owner: &owner,
            of,
            ceremony: ceremony.id,
            presented,
            ctx,
            now,
        };
        let state = base.open_ceremony(ceremony.id, &ceremony.state)?;
        match base.relying_party.finish_enrolment(&state, &command.answer) {
            Ok(credential) => {
                let name = command.name.as_ref();
                self.keep(&enrolment, credential, name).await
            }
            Err(fault) => {
                let reason = CeremonyFault::as_str(fault);
                self.refuse(&enrolment, reason, EnrolError::InvalidPasskey)
                    .await
            }
        }
    }

    async fn keep(
        &self,
        enrolment: &Enrolment<'_>,
        credential: EnrolledCredential,
        name: Option<&DisplayName>,
    ) -> Result<PasskeyView, EnrolError> {
        let base = &self.base;
        let (owner, now) = (enrolment.owner, enrolment.now);
        let account = owner.id();
        if base.has_enough(base.store.list_passkeys(account).await?.len()) {
            return self
                .refuse(enrolment, "too_many_passkeys", EnrolError::TooMany)
                .await;
        }
        let id = Id::at(now, base.random.as_ref());
        let digest = CredentialDigest::of(&credential.id);
        let counter = credential.state.counter;
        let credential = StoredCredential::new(credential);
        let record = PasskeyRecord {
            id,
            account,
            digest,
            credential: base.seal_credential(&owner.key, id, &credential),
            name: name.map(|name| base.seal_passkey_name(&owner.key, id, name)),
            counter,
            created_at: now,
            last_used_at: None,
        };
        let mut unit = enrolment.begin(base).await?;
        // The number of passkeys was read under this version.
        let version = owner.view.account.version;
        if !unit
            .second_factors()
            .factors_changed(account, version, now)
            .await?
        {
            return Err(StoreError::Retryable.into());
        }
        let inserted = unit.passkeys().insert(&record).await;
        match inserted {
            Err(StoreError::Conflict(UniqueRule::Credential)) => {
                // PostgreSQL has aborted the unit, so the ceremony is used up in a separate one.
                drop(unit);
                return self
                    .refuse(enrolment, "credential_taken", EnrolError::InvalidPasskey)
                    .await;
            }
            done => done?,
        }
        let act = Act::of(Action::PasskeyAdded, Outcome::Success, account, &owner.key)
            .session(enrolment.who.session);
        let ctx = enrolment.ctx;
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let added = Event::PasskeyAdded {
            account,
            passkey: id,
        };
        unit.outbox()
            .append_events(&[base.event(added, ctx, now)])
            .await?;
        base.record_single_use(unit.as_mut(), enrolment.presented, &id, now)
            .await?;
        let notice = MessageKind::CredentialAdded(CredentialKind::Passkey);
        let change = (EndReason::FactorsChanged, notice);
        let of = (account, &owner.key);
        base.way_in_changed(unit, of, enrolment.who.session, change, ctx, now)
            .await?;
        Ok(PasskeyView::of(&record, &credential, name.cloned()))
    }

    async fn refuse(
        &self,
        enrolment: &Enrolment<'_>,
        reason: &'static str,
        error: EnrolError,
    ) -> Result<PasskeyView, EnrolError> {
        let base = &self.base;
        let Enrolment { who, owner, .. } = enrolment;
        let mut unit = enrolment.begin(base).await?;
        let refused = Outcome::Refused(reason);
        let act = Act::of(Action::PasskeyAdded, refused, owner.id(), &owner.key);
        let entry = base.record(&act.session(who.session), enrolment.ctx, enrolment.now);
        unit.audit().append(&[entry]).await?;
        unit.commit().await?;
        Err(error)
    }
}

fn presented(who: &SessionSnapshot, command: &Enrol, ctx: &RequestContext) -> Presented {
    let holder = holder_of_session(who.session);
    Presented::new(SingleUse::Enrolment, holder, &command.answer.parts(), ctx)
}

/// An enrolment that is about to be finished.
struct Enrolment<'a> {
    who: &'a SessionSnapshot,
    owner: &'a OpenedAccount,
    of: InHands,
    ceremony: Uuid,
    /// Where the response is recorded.
    presented: &'a Presented,
    ctx: &'a RequestContext,
    now: OffsetDateTime,
}

impl Enrolment<'_> {
    /// Begins a unit in which the ceremony is used up.
    async fn begin(&self, base: &Foundation) -> Result<Box<dyn UnitOfWork>, EnrolError> {
        let mut unit = base.begin_as(self.who, self.now).await?;
        let InHands { holder, purpose } = self.of;
        let consumed = unit
            .passkeys()
            .consume_ceremony(holder, purpose, self.ceremony, self.now)
            .await?;
        consumed.then_some(unit).ok_or(EnrolError::InvalidPasskey)
    }
}
