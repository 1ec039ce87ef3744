//! Summaries of people for other bounded contexts.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    directory::{DirectoryError, FindPerson, Person},
};
use common::{Clock, SecureRandom};
use time::Duration;

use super::{AccountView, Accounts};
use crate::{
    Foundation,
    caching::{Cached, Intent, Ledger, LoadLost},
    ports::Invalidation,
};

/// A short-lived cache of summaries of people.
///
/// Holds names in clear, in this process and for one second; holds no contact data.
#[derive(Debug, Clone)]
pub struct People(Cached<AccountId, Person, DirectoryError>);

impl People {
    /// A page of products asks for the same vendor with every row. The summary includes the account's state, so its
    /// TTL is no longer than that of a session snapshot in a cluster.
    pub const INTENT: Intent = Intent {
        name: "people",
        why: "a page of products asks for its vendor with every row, and each answer costs a read and \
              three decryptions",
        version: 1,
        ttl: Duration::SECOND,
        jitter_percent: 20,
        early_percent: 30,
        capacity: 10_000,
    }
    .checked();

    /// An empty cache.
    pub fn new(ledger: &Ledger, clock: Arc<dyn Clock>, random: Arc<dyn SecureRandom>) -> Self {
        Self(Cached::new(Self::INTENT, ledger, clock, random))
    }

    /// Applies an invalidation from this or another node.
    pub fn hear(&self, invalidation: &Invalidation) {
        for account in &invalidation.changed {
            self.0.forget(account);
        }
    }

    /// Removes everything, after invalidations may have been missed.
    pub fn forget_everything(&self) {
        self.0.forget_everything();
    }
}

#[async_trait]
impl FindPerson for Accounts {
    async fn find_person(&self, account: AccountId) -> Result<Person, DirectoryError> {
        let load = || {
            let base = Arc::clone(&self.base);
            async move { base.load_person(account).await }
        };
        self.base.people.0.get(&account, load).await
    }
}

impl Foundation {
    async fn load_person(&self, account: AccountId) -> Result<Person, DirectoryError> {
        let unavailable = |_| DirectoryError::Unavailable;
        let found = self.store.credentials_of(account).await;
        let (record, _) = found.map_err(unavailable)?.ok_or(DirectoryError::Unknown)?;
        let opened = self.open_account(&record).map_err(unavailable)?;
        let AccountView {
            account, profile, ..
        } = opened.view;
        Ok(Person {
            account: account.id,
            display_name: profile.display_name.map(|name| name.as_str().to_owned()),
            status: account.status,
        })
    }
}

impl From<LoadLost> for DirectoryError {
    fn from(_: LoadLost) -> Self {
        Self::Unavailable
    }
}
