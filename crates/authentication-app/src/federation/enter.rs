//! Signing in a person that the provider vouches for: the last step of both ways.
//!
//! ```text
//! the identity opens an account ──▶ that account signs in, whatever its address is now
//! no account has the address    ──▶ an account is created, and the identity opens it
//! an account has the address    ──▶ refused: its owner must sign in as before, and link from within a session
//! ```

use authentication_domain::{
    accounts::{AccountStatus, Closed, Identifier, SignUpMethod},
    audit::{Action, Outcome},
    events::Event,
    federation::ExternalPerson,
    sessions::DeviceId,
};
use common::{
    Id,
    access::{AuthenticationMethod, Proofs, Role, Roles},
    money::Money,
    timestamps::Timestamps,
};

use super::{Federation, Once, Unproven};
use crate::{
    RequestContext,
    accounts::{AccountDraft, OpenedAccount},
    ports::{
        FederationQuestion, FederationRecord, IndexKeys, Measure, RegistrationOutcome,
        SigningFailed, StoreError, Subject, UniqueRule,
    },
    recorder::Act,
    retry::{retry_on_store_error, retrying},
    sessions::{AnsweredSignIn, BeginError, FirstFactor, Recording, SignIn, SignInAnswer},
    single_use::{Presented, SingleUseError},
};

/// A person that the provider vouches for, to be signed in.
pub(super) struct Arrival {
    pub(super) person: ExternalPerson,
    pub(super) once: Once,
    /// The role, if an account is created.
    pub(super) role: Role,
    /// Where the response is recorded, if the request can be repeated.
    pub(super) presented: Option<Presented>,
}

impl Arrival {
    fn recording(&self, is_new: bool) -> Option<Recording<'_>> {
        let presented = self.presented.as_ref()?;
        Some(Recording { presented, is_new })
    }
}

/// The result of a sign-in through a provider.
#[derive(Debug)]
pub enum Entered {
    /// An account was created.
    Registered(SignInAnswer),
    /// The identity already opened an account.
    SignedIn(SignInAnswer),
}

/// Why the sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// A staff role, which is given by invitation only.
    #[error("this role is not given by registration")]
    RoleNotOffered,
    /// The ID token or code is not valid, or not for this service.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// An account has the address, but this identity does not open it. Revealed only to a person who proved to the
    /// provider that they read mail at the address.
    #[error("an account has the address, and the identity does not open it")]
    AccountExists,
    /// The identity opens an account that is closed.
    #[error("the account is closed")]
    Closed,
    /// The identity opens an account that is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(EnterError);

impl SingleUseError for EnterError {
    fn used_up() -> Self {
        Self::Unproven(Unproven::UnknownNonce)
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Unproven(Unproven::UnknownNonce))
    }
}

impl From<AnsweredSignIn> for Entered {
    fn from(answered: AnsweredSignIn) -> Self {
        if answered.is_new {
            Self::Registered(answered.answer)
        } else {
            Self::SignedIn(answered.answer)
        }
    }
}

impl From<BeginError> for EnterError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Signing(error) => error.into(),
            BeginError::Store(error) => error.into(),
        }
    }
}

/// Client or vendor: the roles that self-registration offers.
pub(super) fn role_of_newcomer(asked: Option<Role>) -> Result<Role, EnterError> {
    let role = asked.unwrap_or(Role::Client);
    if Roles::from(role).is_staff() {
        return Err(EnterError::RoleNotOffered);
    }
    Ok(role)
}

/// What is known when the arrival is judged.
struct Known {
    identifier: Identifier,
    keys: IndexKeys,
    record: FederationRecord,
}

impl Federation {
    pub(super) async fn enter(
        &self,
        arrival: &Arrival,
        ctx: &RequestContext,
    ) -> Result<Entered, EnterError> {
        // Retry as a whole: the unit may have failed because the same person was registered concurrently.
        let entered = retrying(|| self.enter_once(arrival, ctx)).await;
        if matches!(entered, Ok(Entered::Registered(_))) {
            let completed = RegistrationOutcome::Completed;
            self.base.meter.note(Measure::Registration(completed));
        }
        entered
    }

    async fn enter_once(
        &self,
        arrival: &Arrival,
        ctx: &RequestContext,
    ) -> Result<Entered, EnterError> {
        let base = &self.base;
        let known = self.look_up(&arrival.person, ctx).await?;
        match &known.record.owner {
            Some(owner) => {
                let opened = base.open_account(owner)?;
                let device = base.known_device(opened.id(), known.record.device, ctx);
                let answer = self.admit(arrival, &known, &opened, device, ctx).await?;
                Ok(Entered::SignedIn(answer))
            }
            None if known.record.address_owner.is_some() => {
                Err(self.refuse_taken(arrival, &known, ctx).await?)
            }
            None => {
                let answer = self.register(arrival, &known, ctx).await?;
                Ok(Entered::Registered(answer))
            }
        }
    }

    async fn look_up(
        &self,
        person: &ExternalPerson,
        ctx: &RequestContext,
    ) -> Result<Known, StoreError> {
        let base = &self.base;
        let identifier = Identifier::Email(person.email.clone());
        let digest = base.digest_of(&person.identity);
        let keys = base.index_keys(&identifier).await?;
        let question = FederationQuestion {
            identity: digest,
            address: &keys,
            device: ctx.claimed_device(),
            at: base.clock.now(),
        };
        let record = base.store.federation_record(question).await?;
        Ok(Known {
            identifier,
            keys,
            record,
        })
    }

    /// Signs in the identity's account. The address that the provider reports may differ from the account's by now:
    /// only the identity matters, and nothing of the account is changed (T33).
    async fn admit(
        &self,
        arrival: &Arrival,
        known: &Known,
        owner: &OpenedAccount,
        device: Option<DeviceId>,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, EnterError> {
        let base = &self.base;
        let now = base.clock.now();
        let refused = match owner.view.account.gate() {
            Ok(()) => None,
            Err(Closed::Suspended) => Some((EnterError::Suspended, "account_suspended")),
            Err(Closed::Absent) => Some((EnterError::Closed, "account_closed")),
        };
        let mut unit = base.store.begin().await?;
        if !arrival
            .once
            .use_up(unit.as_mut(), Some(owner.id()), ctx, now)
            .await?
        {
            drop(unit);
            let (error, outcome) = arrival.once.refused();
            let act = Act::on_identifier(Action::SignIn, outcome, known.keys.subject)
                .about(Some(owner.id()))
                .at_provider(self.name());
            base.put_on_record(&act, ctx).await?;
            return Err(error.into());
        }
        if let Some((error, reason)) = refused {
            let outcome = Outcome::Refused(reason);
            let act =
                Act::of(Action::SignIn, outcome, owner.id(), &owner.key).at_provider(self.name());
            unit.audit().append(&[base.record(&act, ctx, now)]).await?;
            unit.commit().await?;
            return Err(error);
        }
        let remembered_until = known.record.device_remembered_until;
        let proven = FirstFactor {
            owner,
            device,
            remembered_until: device.and(remembered_until),
            method: AuthenticationMethod::Federated,
            came_over: came_over(arrival, owner),
            failures_in_a_row: known.record.failures_in_a_row,
            recording: arrival.recording(false),
        };
        Ok(base.go_on(unit, &proven, ctx, now).await?)
    }

    async fn refuse_taken(
        &self,
        arrival: &Arrival,
        known: &Known,
        ctx: &RequestContext,
    ) -> Result<EnterError, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let owner = known.record.address_owner;
        let act = |outcome| {
            Act::on_identifier(Action::SignIn, outcome, known.keys.subject)
                .about(owner)
                .at_provider(self.name())
        };
        let mut unit = base.store.begin().await?;
        if !arrival.once.use_up(unit.as_mut(), None, ctx, now).await? {
            drop(unit);
            let (error, outcome) = arrival.once.refused();
            base.put_on_record(&act(outcome), ctx).await?;
            return Ok(error.into());
        }
        let act = act(Outcome::Refused("account_exists"));
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        Ok(EnterError::AccountExists)
    }

    /// Creates an account without a password, with the address as its identifier. Voids every pending registration
    /// or change that another person began with the address (T36); nothing else could survive, because nothing is
    /// created for an address before it is proven.
    async fn register(
        &self,
        arrival: &Arrival,
        known: &Known,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, EnterError> {
        let base = &self.base;
        let now = base.clock.now();
        let profile = arrival.person.profile.clone();
        let draft = AccountDraft {
            id: Id::at(now, base.random.as_ref()),
            identifier: known.identifier.clone(),
            sign_up_method: self.sign_up_method(),
            status: AccountStatus::Active,
            roles: Roles::from(arrival.role),
            wallet: Money::zero(profile.currency()),
            profile,
            password: None,
            timestamps: Timestamps::new(now),
        };
        let (opened, row) = draft.seal(base.vault.as_ref(), base.index.as_ref());
        let of = (opened.id(), &opened.key);
        let identity = base.new_identity(self.name(), &arrival.person.identity, of, now);
        let mut unit = base.store.begin().await?;
        if !arrival.once.use_up(unit.as_mut(), None, ctx, now).await? {
            drop(unit);
            let (error, outcome) = arrival.once.refused();
            let act = Act::on_identifier(Action::SignIn, outcome, known.keys.subject)
                .at_provider(self.name());
            base.put_on_record(&act, ctx).await?;
            return Err(error.into());
        }
        unit.accounts()
            .insert(&row)
            .await
            .map_err(somebody_was_first)?;
        unit.federation()
            .link(&identity)
            .await
            .map_err(somebody_was_first)?;
        for subject in subjects_of(&known.keys) {
            unit.challenges().void_codes(subject, now).await?;
        }
        // These were counted while no account had the address.
        base.forget_in_a_row(unit.as_mut(), &opened.view.identifier)
            .await?;
        let account = opened.id();
        // A new account has no second factor, and no earlier device; so no notice of a new device is sent.
        let sign_in = SignIn {
            owner: &opened,
            device: None,
            proofs: Proofs::only(AuthenticationMethod::Federated, now),
            remember_until: None,
            failures_in_a_row: false,
            recording: arrival.recording(true),
        };
        let started = base
            .begin_session(unit.as_mut(), &sign_in, ctx, now)
            .await?;
        let act = |action| {
            Act::of(action, Outcome::Success, account, &opened.key).at_provider(self.name())
        };
        let entries = [
            act(Action::AccountRegistered),
            act(Action::IdentityLinked),
            act(Action::SignIn).session(started.session),
        ]
        .map(|act| base.record(&act, ctx, now));
        unit.audit().append(&entries).await?;
        let roles = opened.view.account.roles;
        let provider = self.name();
        let linked = Event::IdentityLinked { account, provider };
        let events = [
            base.event(Event::AccountRegistered { account, roles }, ctx, now),
            base.event(linked, ctx, now),
            base.session_started(&started, account, ctx, now),
        ];
        unit.outbox().append_events(&events).await?;
        let recording = arrival.recording(true);
        let signed_in = base
            .complete(unit, started, opened.view.clone(), recording, now)
            .await?;
        Ok(SignInAnswer::Authenticated(Box::new(signed_in)))
    }
}

/// One mailbox is one factor: a person who reads mail at the vouched-for address, which is also the account's, may
/// have passed the provider with just that. So no code is sent there as the second factor.
fn came_over(arrival: &Arrival, owner: &OpenedAccount) -> Option<SignUpMethod> {
    let identifier = &owner.view.identifier;
    let vouched_for = Identifier::Email(arrival.person.email.clone());
    (vouched_for.index_form() == identifier.index_form()).then(|| identifier.method())
}

/// The same person was registered concurrently, or another one proved the same address: retry with a fresh look-up.
fn somebody_was_first(error: StoreError) -> StoreError {
    match error {
        StoreError::Conflict(UniqueRule::Identifier | UniqueRule::FederatedIdentity) => {
            StoreError::Retryable
        }
        other => other,
    }
}

fn subjects_of(keys: &IndexKeys) -> impl Iterator<Item = Subject> + '_ {
    std::iter::once(keys.subject).chain(keys.earlier_subjects.iter().copied())
}
