//! Manually reopening an account that failures closed: an operator's command. It changes only counters.

use std::sync::Arc;

use authentication_domain::{accounts::AccountId, audit::Action};
use common::{Clock, RequestId, SecureRandom};
use serde_json::json;

use crate::{
    by_hand::ByHand,
    ports::{AuditRecord, IdentityStore, StoreError, Vault},
    retry::retrying,
};

/// The ports that unlocking needs. The only keys are those that seal audit entries.
pub struct UnlockPorts {
    /// The relational store.
    pub store: Arc<dyn IdentityStore>,
    /// Seals the audit entries.
    pub vault: Arc<dyn Vault>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn SecureRandom>,
}

/// Reopens accounts that failures closed.
pub struct Unlocks {
    ports: UnlockPorts,
    /// The request id in every audit entry of this run.
    run: RequestId,
}

impl Unlocks {
    /// Called once per run, by the composition root.
    pub const fn new(ports: UnlockPorts, run: RequestId) -> Self {
        Self { ports, run }
    }

    /// Clears every counted failure of passwords and codes for the identifier of an account, and records the
    /// reason. `false` when there is no such account.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn unlock(&self, account: AccountId, reason: &str) -> Result<bool, StoreError> {
        let found = self.ports.store.credentials_of(account).await?;
        if found.is_none() {
            return Ok(false);
        }
        retrying(|| self.unlock_once(account, reason)).await?;
        Ok(true)
    }

    async fn unlock_once(&self, account: AccountId, reason: &str) -> Result<(), StoreError> {
        let entry = self.entry(account, reason);
        let mut unit = self.ports.store.begin().await?;
        unit.attempts().forget_account(account).await?;
        unit.audit().append(&[entry]).await?;
        unit.commit().await
    }

    fn entry(&self, account: AccountId, reason: &str) -> AuditRecord {
        let by_hand = ByHand {
            vault: self.ports.vault.as_ref(),
            random: self.ports.random.as_ref(),
            run: &self.run,
            command: "users unlock",
        };
        let what = json!({"reason": reason});
        let now = self.ports.clock.now();
        by_hand.entry(Action::AccountUnlocked, (Some(account), None), &what, now)
    }
}
