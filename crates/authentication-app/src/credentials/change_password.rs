//! Changing the password with the current one.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::{PasswordHash, PlainPassword, Weakness},
};
use common::access::AuthenticationMethod;
use time::Duration;

use super::{
    Credentials,
    set_password::{NewPassword, Proof},
};
use crate::{
    RepeatError, Repeatable, RequestContext,
    accounts::OpenedAccount,
    ports::{
        AccountRecord, Cleared, FailureScope, HashError, SessionSnapshot, SignInQuestion,
        SigningFailed, StoreError, Verification,
    },
    recorder::Act,
    retry::{MayBeRetried, retrying},
    sessions::{RecordedTokens, RenewError, TokenSet},
};

/// A change of password.
#[derive(Debug)]
pub struct ChangePassword {
    /// The current password, as proof.
    pub current: PlainPassword,
    /// The new password.
    pub new: PlainPassword,
}

/// Why the password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The current password is wrong. Counted like a failed sign-in.
    #[error("the current password is wrong")]
    InvalidCurrentPassword,
    /// Too many failures.
    #[error("password checks are locked")]
    Locked {
        /// The time until checks open again.
        retry_after: Duration,
    },
    /// The new password violates the policy.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
    /// Another session changed the account concurrently.
    #[error("the account was changed at the same moment")]
    Conflict,
    /// The session has ended.
    #[error("the session is over")]
    SessionOver,
    /// The idempotency key prevents a response to this request.
    #[error(transparent)]
    Repeat(#[from] RepeatError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RenewError> for ChangePasswordError {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Signing(error) => error.into(),
            RenewError::Store(error) => error.into(),
        }
    }
}

impl MayBeRetried for ChangePasswordError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Repeat(error) => error.is_retryable(),
            _ => false,
        }
    }
}

impl Credentials {
    /// Changes the password. Ends all other sessions of the account; this one continues, but only with the returned
    /// tokens. A repetition of the request with its idempotency key gets the same ones.
    ///
    /// # Errors
    /// [`ChangePasswordError`]; a wrong current password is counted.
    #[tracing::instrument(skip_all)]
    pub async fn change_password(
        &self,
        who: &SessionSnapshot,
        command: &ChangePassword,
        repeatable: Repeatable,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ChangePasswordError> {
        if let Some(tokens) = self.given_before(repeatable).await? {
            return Ok(tokens);
        }
        let done = self.judge_change(who, command, repeatable, ctx).await;
        // A concurrent request with the same idempotency key may have come first and replaced the token.
        if matches!(
            done,
            Err(ChangePasswordError::Conflict | ChangePasswordError::Store(StoreError::SessionOver))
        ) && let Some(tokens) = self.given_before(repeatable).await?
        {
            return Ok(tokens);
        }
        repeatable.settle(done)
    }

    async fn given_before(&self, repeatable: Repeatable) -> Result<Option<TokenSet>, RepeatError> {
        let base = &self.base;
        let given: Option<RecordedTokens> =
            base.answer_before(repeatable, base.clock.now()).await?;
        Ok(given.map(TokenSet::from))
    }

    async fn judge_change(
        &self,
        who: &SessionSnapshot,
        command: &ChangePassword,
        repeatable: Repeatable,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ChangePasswordError> {
        let base = &self.base;
        let fresh = base.as_of_now(who, base.clock.now()).await?;
        let opened = base.open_account(&fresh.owner)?;
        let identifier = &opened.view.identifier;
        let roles = opened.view.account.roles;
        // Cheap checks of the policy come first, so that a typo costs no guess; expensive ones wait for the proof.
        base.rules.passwords.check(&command.new)?;
        base.rules
            .passwords
            .check_owner(&command.new, identifier, roles)?;
        let keys = base.index_keys(identifier).await?;
        let scope = FailureScope {
            subject: keys.subject,
            device: Some(who.as_device()),
        };
        let question = SignInQuestion {
            identifier: &keys,
            device: scope.device,
            // Failures from other devices do not lock a person who is signed in.
            spared_when_locked_at: None,
            most_in_a_row: base.rules.lockout.most_in_a_row,
        };
        let record = base.store.sign_in_record(question).await?;
        let locked_for = record
            .device_failures
            .and_then(|counter| base.rules.lockout.refused_for(&counter, base.clock.now()));
        if let Some(retry_after) = locked_for {
            return Err(ChangePasswordError::Locked { retry_after });
        }
        let account = record
            .account
            .filter(|account| account.account.id == who.owner.account.id)
            .ok_or(ChangePasswordError::Conflict)?;
        let stored = record.password.as_ref();
        let verification = base.hasher.verify(&command.current, stored).await?;
        if verification == Verification::Mismatch {
            // Not a failure if a concurrent request with the same idempotency key came first: it replaced what was
            // the current password.
            if let Some(tokens) = self.given_before(repeatable).await? {
                return Ok(tokens);
            }
            return Err(retrying(|| self.count_failure(&opened, scope, ctx)).await?);
        }
        let next = base
            .hash_if_strong::<ChangePasswordError>(&command.new, identifier)
            .await?;
        let replacement = Replacement {
            who,
            record: &account,
            opened: &opened,
            scope,
            next: &next,
            repeatable,
        };
        retrying(|| self.replace(&replacement, ctx)).await
    }

    async fn count_failure(
        &self,
        opened: &OpenedAccount,
        scope: FailureScope,
        ctx: &RequestContext,
    ) -> Result<ChangePasswordError, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let mut unit = base.store.begin().await?;
        let counted = unit
            .attempts()
            .record_failure(scope, base.rules.lockout, now)
            .await?;
        if counted.is_none() {
            return Ok(self.locked_by_rivals());
        }
        let outcome = Outcome::Refused("invalid_current_password");
        let act = Act::of(Action::PasswordChanged, outcome, opened.id(), &opened.key);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        Ok(ChangePasswordError::InvalidCurrentPassword)
    }

    async fn replace(
        &self,
        it: &Replacement<'_>,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ChangePasswordError> {
        let base = &self.base;
        let now = base.clock.now();
        let session = it.who.session;
        let mut unit = base.store.begin().await?;
        let (cleared, rules) = (Cleared::Own, base.rules.lockout);
        if !unit
            .attempts()
            .clear_failures(it.scope, cleared, rules, now)
            .await?
        {
            return Err(self.locked_by_rivals());
        }
        base.hold_session(unit.as_mut(), it.who, now).await?;
        let new = NewPassword {
            owner: it.opened,
            read_version: it.record.account.version,
            hash: it.next,
            proven_by: Proof::OldPassword(session),
        };
        let told = base
            .put_password(unit.as_mut(), new, ctx, now)
            .await?
            .ok_or(ChangePasswordError::Conflict)?;
        let method = AuthenticationMethod::Password;
        let tokens = base
            .renew_session(unit.as_mut(), (session, it.opened), method, now)
            .await?
            .ok_or(ChangePasswordError::SessionOver)?;
        let answer = RecordedTokens::from(&tokens);
        let first = base
            .record_repeatable(unit.as_mut(), it.repeatable, &answer, now)
            .await?;
        if let Some(first) = first {
            return Ok(first.into());
        }
        base.commit_and_tell(unit, &told).await?;
        base.messages_queued.notify_one();
        Ok(tokens)
    }

    /// A concurrent attempt set the lock between this one's read and write, so the full lock time remains.
    fn locked_by_rivals(&self) -> ChangePasswordError {
        ChangePasswordError::Locked {
            retry_after: self.base.rules.lockout.window,
        }
    }
}

/// A change of password whose proof was accepted.
struct Replacement<'a> {
    who: &'a SessionSnapshot,
    record: &'a AccountRecord,
    opened: &'a OpenedAccount,
    scope: FailureScope,
    next: &'a PasswordHash,
    repeatable: Repeatable,
}
