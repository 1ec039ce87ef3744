//! Setting a new password with a code or a mailed link.
//!
//! A reset begins no session and removes no second factor. It ends every session, forgets every device, and reopens
//! password sign-in if failures had closed it. A password that violates the policy does not use up the code.

use authentication_domain::{
    audit::Action,
    challenges::{OneTimeCode, Purpose},
    credentials::{PasswordHash, PlainPassword, Weakness},
    opaque_token::OpaqueToken,
};
use time::OffsetDateTime;

use super::{
    Credentials,
    set_password::{NewPassword, Proof},
};
use crate::{
    RequestContext,
    accounts::OpenedAccount,
    challenges::{ProofError, RightCode},
    ports::{ChallengeRecord, CodeOutcome, HashError, ResetLinkRecord, StoreError, UnitOfWork},
    retry::{MayBeRetried, retrying},
    single_use::{Presented, SingleUse, SingleUseError},
};

/// The proof that the person reads what is sent to the identifier.
#[derive(Debug)]
pub enum ResetProof {
    /// The code with its challenge.
    Code {
        /// The challenge.
        challenge: OpaqueToken,
        /// The typed code.
        code: OneTimeCode,
    },
    /// The token of the mailed link.
    Link(OpaqueToken),
}

/// A reset to be completed.
#[derive(Debug)]
pub struct CompleteReset {
    /// The proof.
    pub proof: ResetProof,
    /// The new password.
    pub new_password: PlainPassword,
}

/// Why the password was not set.
#[derive(Debug, thiserror::Error)]
pub enum CompleteResetError {
    /// The code or link is not valid.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The code was right, but the number was unproven for so long that it may have been reassigned.
    #[error("the number alone does not open the account")]
    AnotherProofRequired,
    /// The new password violates the policy; the code stays valid.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
    /// The account was changed concurrently; the code stays valid.
    #[error("the account was changed at the same moment")]
    Conflict,
    /// The password could not be hashed; the code stays valid.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl From<StoreError> for CompleteResetError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl SingleUseError for CompleteResetError {
    fn used_up() -> Self {
        Self::Proof(ProofError::used_up())
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Proof(error) if error.is_refusal())
    }
}

impl MayBeRetried for CompleteResetError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Proof(ProofError::Store(error)) if error.is_retryable())
    }
}

/// A proof that was accepted, and is used up in the unit that sets the password.
enum GoodProof {
    Code(Box<RightCode>),
    Link(Box<ResetLinkRecord>),
}

/// A reset whose proof and password were accepted.
struct GoodReset<'a> {
    proof: &'a GoodProof,
    /// Where the response is recorded.
    presented: &'a Presented,
    next: &'a PasswordHash,
}

impl ResetProof {
    /// The password is part of the request: with another password it is another request, for which the code is used
    /// up.
    fn presented(&self, password: &PlainPassword, ctx: &RequestContext) -> Presented {
        let (handed_out, code) = match self {
            Self::Code { challenge, code } => (challenge, code.expose()),
            Self::Link(token) => (token, ""),
        };
        let came_back = [code.as_bytes(), password.expose().as_bytes()];
        Presented::new(SingleUse::Reset, handed_out.digest(), &came_back, ctx)
    }
}

impl GoodProof {
    const fn is_from_known_device(&self) -> bool {
        match self {
            Self::Code(right) => right.known_device.is_some(),
            Self::Link(_) => false,
        }
    }
}

impl Credentials {
    /// Sets a new password for the person who proved to have the identifier.
    ///
    /// # Errors
    /// [`CompleteResetError`].
    #[tracing::instrument(skip_all)]
    pub async fn complete_reset(
        &self,
        command: &CompleteReset,
        ctx: &RequestContext,
    ) -> Result<(), CompleteResetError> {
        let presented = command.proof.presented(&command.new_password, ctx);
        let done = self.complete_reset_once(command, &presented, ctx).await;
        let again = async |()| Ok(Some(()));
        self.base.settle_once(&presented, done, again).await
    }

    async fn complete_reset_once(
        &self,
        command: &CompleteReset,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<(), CompleteResetError> {
        let base = &self.base;
        // Cheap checks that need no identifier come before the code is judged, so that a typo costs no guess.
        base.rules.passwords.check(&command.new_password)?;
        let proof = retrying(|| self.judge(&command.proof, ctx)).await?;
        let opened = retrying(|| self.owner_of(&proof, ctx)).await?;
        let identifier = &opened.view.identifier;
        let roles = opened.view.account.roles;
        base.rules
            .passwords
            .check_owner(&command.new_password, identifier, roles)?;
        let next = base
            .hash_if_strong::<CompleteResetError>(&command.new_password, identifier)
            .await?;
        let reset = GoodReset {
            proof: &proof,
            presented,
            next: &next,
        };
        retrying(|| self.set_password(&reset, &opened, ctx)).await?;
        base.note_code(Purpose::PasswordReset, CodeOutcome::Proven);
        Ok(())
    }

    async fn judge(
        &self,
        proof: &ResetProof,
        ctx: &RequestContext,
    ) -> Result<GoodProof, CompleteResetError> {
        let base = &self.base;
        match proof {
            ResetProof::Code { challenge, code } => {
                let allow = |record: &ChallengeRecord| {
                    record.purpose == Purpose::PasswordReset && record.owner.is_some()
                };
                let right = base.judge_code(challenge, code, allow, ctx).await?;
                Ok(GoodProof::Code(Box::new(right)))
            }
            ResetProof::Link(token) => {
                let now = base.clock.now();
                let rules = &base.rules.challenges;
                base.store
                    .find_reset_link(token.digest())
                    .await?
                    .filter(|link| rules.link_counts(link.dispatch.sent_at, now))
                    .map(|link| GoodProof::Link(Box::new(link)))
                    .ok_or_else(|| self.refuse_link().into())
            }
        }
    }

    async fn owner_of(
        &self,
        proof: &GoodProof,
        ctx: &RequestContext,
    ) -> Result<OpenedAccount, ProofError> {
        let link = match proof {
            GoodProof::Code(right) => return self.base.owner_of(right, ctx).await,
            GoodProof::Link(link) => link,
        };
        let owner = match link.owner {
            Some(owner) => self.base.read_account(owner).await?,
            None => None,
        };
        owner
            .filter(|it| self.base.may_be_opened_at(it, link.subject))
            .ok_or_else(|| self.refuse_link())
    }

    fn refuse_link(&self) -> ProofError {
        self.base
            .note_code(Purpose::PasswordReset, CodeOutcome::Refused);
        ProofError::InvalidCode
    }

    async fn use_up(
        &self,
        unit: &mut dyn UnitOfWork,
        proof: &GoodProof,
        now: OffsetDateTime,
    ) -> Result<(), ProofError> {
        match proof {
            GoodProof::Code(right) => self.base.use_up(unit, right, now).await,
            GoodProof::Link(link) => {
                let purpose = Purpose::PasswordReset;
                let used = unit
                    .challenges()
                    .use_code(link.subject, purpose, link.dispatch.nonce, now)
                    .await?;
                if used {
                    Ok(())
                } else {
                    Err(ProofError::InvalidCode)
                }
            }
        }
    }

    async fn set_password(
        &self,
        reset: &GoodReset<'_>,
        opened: &OpenedAccount,
        ctx: &RequestContext,
    ) -> Result<(), CompleteResetError> {
        let base = &self.base;
        let GoodReset {
            proof,
            presented,
            next,
        } = *reset;
        let now = base.clock.now();
        let subject = base.index_keys(&opened.view.identifier).await?.subject;
        // A reset requires no second factor, so an enrolled one does not make the number sufficient.
        let is_enough = proof.is_from_known_device() || !base.is_silent(opened, now).await?;
        let mut unit = base.store.begin().await?;
        if is_enough {
            unit.attempts().forget_subject(subject).await?;
            unit.accounts().hold(opened.id()).await?;
        }
        self.use_up(unit.as_mut(), proof, now).await?;
        if !is_enough {
            base.refuse_silent_number(unit, Action::PasswordReset, opened, ctx, now)
                .await?;
            return Err(CompleteResetError::AnotherProofRequired);
        }
        base.note_number_proven(unit.as_mut(), opened, now).await?;
        base.record_single_use(unit.as_mut(), presented, &(), now)
            .await?;
        let new = NewPassword {
            owner: opened,
            read_version: opened.view.account.version,
            hash: next,
            proven_by: Proof::CodeOrLink,
        };
        if base.set_password(unit, new, ctx, now).await? {
            Ok(())
        } else {
            Err(CompleteResetError::Conflict)
        }
    }
}
