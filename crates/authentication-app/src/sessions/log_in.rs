//! Sign-in with a password.
//!
//! Known and unknown identifiers take the same path: one read, one hash, one unit with the same statements. The
//! unit that answers an attempt also counts it, by a conditional write: concurrent guesses get no more answers than
//! the lockout allows for sequential ones.

use std::sync::Arc;

use authentication_domain::{
    accounts::{Closed, Identifier},
    audit::{Action, Outcome},
    credentials::{PasswordHash, PlainPassword},
    sessions::DeviceId,
};
use common::access::AuthenticationMethod;
use time::Duration;

use super::{BeginError, FirstFactor, Sessions, SignInAnswer};
use crate::{
    RequestContext,
    accounts::OpenedAccount,
    measured,
    ports::{
        Cleared, FailureScope, HashError, Measure, MessageKind, Recipient, SignInMethod,
        SignInQuestion, SignInRecord, SigningFailed, StoreError, Subject, Verification,
    },
    protection::{AttemptWindow, GuessingStopped},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// An attempt to sign in.
#[derive(Debug)]
pub struct LogIn {
    /// The claimed identifier.
    pub identifier: Identifier,
    /// The password to verify.
    pub password: PlainPassword,
    /// The rate limit window that counts the attempt unless it comes from a known device; `None` when it was
    /// already counted.
    pub window: Option<Arc<AttemptWindow>>,
}

/// Why the sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// No such identifier, or a wrong password; a client cannot distinguish these.
    #[error("the identifier or the password is wrong")]
    InvalidCredentials,
    /// Too many failures for this identifier from unknown devices, whether or not an account has it.
    #[error("password sign-in is locked")]
    Locked {
        /// The time until it opens again.
        retry_after: Duration,
    },
    /// Too many calls for this identifier from unknown devices.
    #[error("too many calls for the identifier")]
    RateLimited {
        /// The time until a call may succeed.
        retry_after: Duration,
    },
    /// The password was right, and the account is suspended.
    #[error("the account is suspended")]
    Suspended,
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
retry_on_store_error!(LogInError);

impl From<BeginError> for LogInError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Signing(error) => error.into(),
            BeginError::Store(error) => error.into(),
        }
    }
}

/// What is known when the attempt is judged.
struct Attempt {
    subject: Subject,
    record: SignInRecord,
    known_device: Option<DeviceId>,
}

impl Attempt {
    const fn scope(&self) -> FailureScope {
        FailureScope {
            subject: self.subject,
            device: self.known_device,
        }
    }

    /// An audit entry for a person who has not proven their identity.
    fn act(&self, action: Action, outcome: Outcome) -> Act<'static> {
        Act::on_identifier(action, outcome, self.subject).about(self.record.owner)
    }
}

impl Sessions {
    /// Signs in with a password.
    ///
    /// # Errors
    /// [`LogInError`]; a wrong password is counted.
    #[tracing::instrument(skip_all)]
    pub async fn log_in(
        &self,
        command: &LogIn,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, LogInError> {
        // Retry as a whole: what made the unit fail may also have replaced the password.
        let done = retrying(|| self.log_in_once(command, ctx)).await;
        let outcome = measured::of_log_in(&done);
        self.base
            .meter
            .note(Measure::SignIn(SignInMethod::Password, outcome));
        done
    }

    async fn log_in_once(
        &self,
        command: &LogIn,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, LogInError> {
        let attempt = self.load(&command.identifier, ctx).await?;
        if let (None, Some(window)) = (attempt.known_device, &command.window)
            && let Some(retry_after) = window.count(&command.identifier).await
        {
            return Err(LogInError::RateLimited { retry_after });
        }
        let now = self.base.clock.now();
        let rules = &self.base.rules.lockout;
        let counter = match attempt.known_device {
            Some(_) => attempt.record.device_failures,
            None => attempt.record.failures,
        };
        if let Some(retry_after) = counter.and_then(|counter| rules.refused_for(&counter, now)) {
            return Err(self.refuse_locked(&attempt, retry_after, ctx).await?);
        }
        let stored = attempt.record.password.as_ref();
        let verification = self.base.hasher.verify(&command.password, stored).await?;
        let (Verification::Match { outdated }, Some(account)) =
            (verification, &attempt.record.account)
        else {
            return Err(self.refuse(&attempt, ctx).await?);
        };
        // Opened only after the password was verified: a refusal must not cost more for an identifier that exists.
        match account.account.gate() {
            Ok(()) => {
                let owner = self.base.open_found(account, attempt.subject)?;
                let rehashed = self.rehash(&command.password, stored, outdated).await;
                self.admit(&attempt, &owner, rehashed.as_ref(), ctx).await
            }
            Err(Closed::Suspended) => {
                let owner = self.base.open_account(account)?;
                self.refuse_suspended(&attempt, &owner, ctx).await
            }
            Err(Closed::Absent) => Err(self.refuse(&attempt, ctx).await?),
        }
    }

    async fn load(
        &self,
        identifier: &Identifier,
        ctx: &RequestContext,
    ) -> Result<Attempt, StoreError> {
        let base = &self.base;
        let keys = base.index_keys(identifier).await?;
        let question = SignInQuestion {
            identifier: &keys,
            device: ctx.claimed_device(),
            spared_when_locked_at: Some(base.clock.now()),
            most_in_a_row: base.rules.lockout.most_in_a_row,
        };
        let record = base.store.sign_in_record(question).await?;
        let known_device = record
            .owner
            .and_then(|owner| base.known_device(owner, record.device, ctx));
        Ok(Attempt {
            subject: keys.subject,
            record,
            known_device,
        })
    }

    /// A new hash for a password whose stored hash is outdated. When the hashing queue is full, sign-in does
    /// not wait: the next sign-in upgrades the hash.
    async fn rehash(
        &self,
        password: &PlainPassword,
        stored: Option<&PasswordHash>,
        outdated: bool,
    ) -> Option<(PasswordHash, PasswordHash)> {
        let stored = stored.filter(|_| outdated)?;
        let next = self.base.hasher.hash(password).await.ok()?;
        Some((stored.clone(), next))
    }

    async fn admit(
        &self,
        attempt: &Attempt,
        owner: &OpenedAccount,
        rehashed: Option<&(PasswordHash, PasswordHash)>,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, LogInError> {
        let base = &self.base;
        let now = base.clock.now();
        // A right password clears the earlier failures of its scope; a complete sign-in also clears those of other
        // devices and of codes.
        let is_complete = !owner.view.second_factors.is_enabled();
        let cleared = if is_complete {
            Cleared::InARowOfAll
        } else {
            Cleared::Own
        };
        let (scope, rules) = (attempt.scope(), base.rules.lockout);
        let mut unit = base.store.begin().await?;
        if !unit
            .attempts()
            .clear_failures(scope, cleared, rules, now)
            .await?
        {
            drop(unit);
            return Err(self.refuse_locked_by_rivals(attempt, ctx).await?);
        }
        if let Some((read, next)) = rehashed {
            unit.accounts()
                .upgrade_password_hash(owner.id(), read, next)
                .await?;
        }
        let proven = FirstFactor {
            owner,
            device: attempt.known_device,
            remembered_until: attempt
                .known_device
                .and(attempt.record.device_remembered_until),
            method: AuthenticationMethod::Password,
            // A password set by a reset counts as proof of the channel that the reset went over: anyone who reads
            // that channel may have set it.
            came_over: attempt.record.reset_over,
            failures_in_a_row: !is_complete || attempt.record.codes_in_a_row,
            // A password can be presented again, so its response is not recorded.
            recording: None,
        };
        Ok(base.go_on(unit, &proven, ctx, now).await?)
    }

    /// Counts the failure. The fifth within the window locks; the hundredth consecutive one closes password
    /// sign-in. Either way, the identifier's owner is notified.
    async fn refuse(
        &self,
        attempt: &Attempt,
        ctx: &RequestContext,
    ) -> Result<LogInError, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let mut unit = base.store.begin().await?;
        let after = unit
            .attempts()
            .record_failure(attempt.scope(), base.rules.lockout, now)
            .await?;
        let Some(after) = after else {
            drop(unit);
            return self.refuse_locked_by_rivals(attempt, ctx).await;
        };
        let refused = attempt.act(Action::SignIn, Outcome::Refused("invalid_credentials"));
        let mut entries = vec![base.record(&refused, ctx, now)];
        if after.locked_until.is_some() {
            let locked = attempt.act(Action::SignInLocked, Outcome::Success);
            entries.push(base.record(&locked, ctx, now));
        }
        if after.in_a_row == base.rules.lockout.most_in_a_row {
            let stopped = GuessingStopped {
                subject: attempt.subject,
                owner: attempt.record.owner,
                way: "password",
            };
            let entry = base.guessing_stopped(unit.as_mut(), &stopped, ctx, now);
            entries.push(entry.await?);
        } else if after.locked_until.is_some() {
            let to = Recipient::Subject(attempt.subject);
            base.bare_notice(unit.as_mut(), MessageKind::SignInLocked, to, ctx, now)
                .await?;
        }
        unit.audit().append(&entries).await?;
        unit.commit().await?;
        base.messages_queued.notify_one();
        Ok(LogInError::InvalidCredentials)
    }

    async fn refuse_suspended(
        &self,
        attempt: &Attempt,
        owner: &OpenedAccount,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, LogInError> {
        let base = &self.base;
        let now = base.clock.now();
        let (scope, rules) = (attempt.scope(), base.rules.lockout);
        let mut unit = base.store.begin().await?;
        if !unit
            .attempts()
            .clear_failures(scope, Cleared::Own, rules, now)
            .await?
        {
            drop(unit);
            return Err(self.refuse_locked_by_rivals(attempt, ctx).await?);
        }
        let outcome = Outcome::Refused("account_suspended");
        let act = Act::of(Action::SignIn, outcome, owner.id(), &owner.key);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        Err(LogInError::Suspended)
    }

    /// Refuses without checking the password, but still writes an audit entry.
    async fn refuse_locked(
        &self,
        attempt: &Attempt,
        retry_after: Duration,
        ctx: &RequestContext,
    ) -> Result<LogInError, StoreError> {
        let base = &self.base;
        let act = attempt.act(Action::SignIn, Outcome::Refused("account_locked"));
        let entry = base.record(&act, ctx, base.clock.now());
        let mut unit = base.store.begin().await?;
        unit.audit().append(&[entry]).await?;
        unit.commit().await?;
        Ok(LogInError::Locked { retry_after })
    }

    /// A concurrent attempt set the lock between this one's read and write, so the full lock time remains.
    async fn refuse_locked_by_rivals(
        &self,
        attempt: &Attempt,
        ctx: &RequestContext,
    ) -> Result<LogInError, StoreError> {
        let retry_after = self.base.rules.lockout.window;
        self.refuse_locked(attempt, retry_after, ctx).await
    }
}
