//! Changing the password, knowing the old one.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::{PasswordHash, PlainPassword, Weakness},
};
use time::Duration;

use super::{
    Credentials,
    set_password::{NewPassword, Proof},
};
use crate::{
    RequestContext,
    accounts::OpenedAccount,
    ports::{
        AccountRecord, Cleared, FailureScope, HashError, SessionSnapshot, SignInQuestion,
        StoreError, Verification,
    },
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// A change of password.
#[derive(Debug)]
pub struct ChangePassword {
    /// The proof.
    pub current: PlainPassword,
    /// The new one.
    pub new: PlainPassword,
}

/// Why the password is what it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The current password is another one. Counted like a failed sign-in.
    #[error("the current password is wrong")]
    InvalidCurrentPassword,
    /// Too many failures.
    #[error("password checks are locked")]
    Locked {
        /// Until they open again.
        retry_after: Duration,
    },
    /// The new password does not hold to the policy.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
    /// Another session changed the account at the same moment.
    #[error("the account was changed at the same moment")]
    Conflict,
    /// No hash was computed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(ChangePasswordError);

impl Credentials {
    /// Changes the password; all other sessions of the account end.
    ///
    /// # Errors
    /// [`ChangePasswordError`]; a wrong current password is counted.
    #[tracing::instrument(skip_all)]
    pub async fn change_password(
        &self,
        who: &SessionSnapshot,
        command: &ChangePassword,
        ctx: &RequestContext,
    ) -> Result<(), ChangePasswordError> {
        let base = &self.base;
        let opened = base.open_account(&who.owner)?;
        let identifier = &opened.view.identifier;
        let roles = opened.view.account.roles;
        // What is cheap to say comes first, so that no guess is spent on a typo; what is not waits for the proof.
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
            // Strangers' failures do not lock whoever is signed in.
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
            return Err(retrying(|| self.count_failure(&opened, scope, ctx)).await?);
        }
        let next = base
            .hash_if_strong::<ChangePasswordError>(&command.new, identifier)
            .await?;
        retrying(|| self.replace(who, &account, &opened, scope, &next, ctx)).await
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
        who: &SessionSnapshot,
        record: &AccountRecord,
        opened: &OpenedAccount,
        scope: FailureScope,
        next: &PasswordHash,
        ctx: &RequestContext,
    ) -> Result<(), ChangePasswordError> {
        let base = &self.base;
        let now = base.clock.now();
        let mut unit = base.store.begin().await?;
        let (cleared, rules) = (Cleared::Own, base.rules.lockout);
        if !unit
            .attempts()
            .clear_failures(scope, cleared, rules, now)
            .await?
        {
            return Err(self.locked_by_rivals());
        }
        let new = NewPassword {
            owner: opened,
            read_version: record.account.version,
            hash: next,
            proven_by: Proof::OldPassword(who.session),
        };
        if base.set_password(unit, new, ctx, now).await? {
            Ok(())
        } else {
            Err(ChangePasswordError::Conflict)
        }
    }

    /// The lock fell between our read and our write: it holds for its whole time.
    fn locked_by_rivals(&self) -> ChangePasswordError {
        ChangePasswordError::Locked {
            retry_after: self.base.rules.lockout.window,
        }
    }
}
