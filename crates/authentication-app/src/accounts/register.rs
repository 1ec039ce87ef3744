//! Requesting an account.
//!
//! A request stores only an attempt: a challenge with its own password hash. The account is created when the code
//! is proven, so an address cannot be occupied without access to it. No account is looked up, so the response does
//! not reveal whether the address is taken.

use authentication_domain::{
    accounts::Identifier,
    audit::{Action, Outcome},
    challenges::Purpose,
    credentials::{PasswordHash, PlainPassword, Weakness},
    profiles::Profile,
};
use common::access::{Role, Roles};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Accounts;
use crate::{
    IdempotentRequest, RequestContext,
    challenges::{CodeRequest, IssuedChallenge, Pending, SendError, Typed},
    idempotency::{Earlier, REPLAYED_FOR},
    measured,
    ports::{HashError, Measure, StoreError},
    recorder::Act,
    retry::{MayBeRetried, retrying},
};

/// A registration request.
#[derive(Debug)]
pub struct Register {
    /// The identifier to sign in with.
    pub identifier: Identifier,
    /// The password they chose.
    pub password: PlainPassword,
    /// Client or vendor: the roles that self-registration offers.
    pub role: Role,
    /// The remaining input.
    pub profile: Profile,
}

/// Why no challenge was issued.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// A staff role, which is given by invitation only.
    #[error("this role is not given by registration")]
    RoleNotOffered,
    /// The password violates the policy.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
    /// No message was queued.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The idempotency key was already used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The same request is still in progress, and the wait for its response timed out.
    #[error("a request with the same idempotency key is in progress")]
    IdempotencyInProgress,
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Send(error.into())
    }
}

impl MayBeRetried for RegisterError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Send(error) if error.is_retryable())
    }
}

/// What is stored until the code of a registration is proven. Sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct PendingRegistration {
    pub(crate) identifier: String,
    pub(crate) password: String,
    pub(crate) role: Role,
    pub(crate) profile: Profile,
}

impl PendingRegistration {
    pub(crate) fn password_hash(&self) -> PasswordHash {
        PasswordHash::from_encoded(self.password.clone())
    }

    /// What the message with the code needs.
    pub(crate) fn for_its_message(&self) -> Zeroizing<String> {
        let typed = Typed {
            identifier: &self.identifier,
            language: self.profile.language.as_deref(),
            asking: None,
        };
        typed.to_text()
    }
}

impl Accounts {
    /// Stores the attempt and sends a code to the identifier, unless one was sent within the last minute. If the
    /// identifier is taken, its owner gets a notice instead of the code.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is stored then.
    #[tracing::instrument(skip_all)]
    pub async fn register(
        &self,
        command: Register,
        repeatable: Option<IdempotentRequest>,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, RegisterError> {
        let done = self.attempt(command, repeatable, ctx).await;
        let outcome = measured::of_register(&done);
        self.base.meter.note(Measure::Registration(outcome));
        done
    }

    async fn attempt(
        &self,
        command: Register,
        repeatable: Option<IdempotentRequest>,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, RegisterError> {
        let base = &self.base;
        let roles = Roles::from(command.role);
        if roles.is_staff() {
            return Err(RegisterError::RoleNotOffered);
        }
        base.rules.passwords.check(&command.password)?;
        base.rules
            .passwords
            .check_owner(&command.password, &command.identifier, roles)?;
        if let Some(request) = &repeatable {
            match base.find_answer(request, base.clock.now()).await? {
                Earlier::Nothing => {}
                Earlier::Same(answer) => return Ok(answer),
                Earlier::Another => return Err(RegisterError::IdempotencyKeyReused),
            }
        }
        let hash = base
            .hash_if_strong::<RegisterError>(&command.password, &command.identifier)
            .await?;
        let pending = PendingRegistration {
            identifier: command.identifier.to_text(),
            password: hash.as_str().to_owned(),
            role: command.role,
            profile: command.profile,
        };
        let request = CodeRequest {
            identifier: &command.identifier,
            keys: base.index_keys(&command.identifier).await?,
            purpose: Purpose::Registration,
            pending: Some(Pending::Registration(&pending)),
        };
        match retrying(|| self.keep_attempt(&request, repeatable, ctx)).await {
            // Such a unit waited for a concurrent request with the same key.
            Err(error) if error.is_retryable() && repeatable.is_some() => {
                Err(RegisterError::IdempotencyInProgress)
            }
            done => done,
        }
    }

    async fn keep_attempt(
        &self,
        request: &CodeRequest<'_>,
        repeatable: Option<IdempotentRequest>,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, RegisterError> {
        let base = &self.base;
        let now = base.clock.now();
        let mut unit = base.store.begin().await?;
        let draft = base.draft_challenge(request, now);
        let issued = base.issue(unit.as_mut(), draft, ctx, now).await?;
        if let Some(repeatable) = &repeatable {
            match base
                .record_answer(unit.as_mut(), repeatable, &issued, REPLAYED_FOR, now)
                .await?
            {
                Earlier::Nothing => {}
                Earlier::Same(answer) => return Ok(answer),
                Earlier::Another => return Err(RegisterError::IdempotencyKeyReused),
            }
        }
        let subject = request.keys.subject;
        let act = Act::on_identifier(Action::RegistrationRequested, Outcome::Success, subject);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        base.messages_queued.notify_one();
        Ok(issued)
    }
}
