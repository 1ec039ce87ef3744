//! Opening by hand what failures closed: an operator's act, on the command line. It changes nothing but counts.

use std::sync::Arc;

use authentication_domain::{accounts::AccountId, audit::Action};
use common::{Clock, RequestId, SecureRandom};
use serde_json::json;

use crate::{
    by_hand::ByHand,
    ports::{AuditRecord, IdentityStore, StoreError, Vault},
    retry::retrying,
};

/// What unlocking stands on: no keys but those of the trail.
pub struct UnlockPorts {
    /// The relational store.
    pub store: Arc<dyn IdentityStore>,
    /// Seals what the trail keeps of it.
    pub vault: Arc<dyn Vault>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
}

/// Opens accounts that failures closed.
pub struct Unlocks {
    ports: UnlockPorts,
    /// In every entry of this run.
    run: RequestId,
}

impl Unlocks {
    /// Built once by the composition root, for one run.
    pub const fn new(ports: UnlockPorts, run: RequestId) -> Self {
        Self { ports, run }
    }

    /// Forgets every failure of passwords and of codes that is counted for the identifier of an account, and puts
    /// on record why. `false` when there is no such account.
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
