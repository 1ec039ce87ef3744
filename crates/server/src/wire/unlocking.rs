//! The dependencies of unlocking an account, without those of a server.

use std::sync::Arc;

use authentication_app::accounts::{UnlockPorts, Unlocks};
use identity_adapters_postgres::Store;

use super::offline::Offline;
use crate::{StartError, config::Config};

/// An unlock that is ready to run.
pub(crate) struct Unlocking {
    pub(crate) unlocks: Unlocks,
    store: Arc<Store>,
}

impl Unlocking {
    /// Opens the store, whose schema must be that of this release.
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let offline = Offline::open(config).await?;
        let ports = UnlockPorts {
            store: offline.store.clone(),
            vault: offline.vault,
            clock: offline.clock,
            random: offline.random,
        };
        Ok(Self {
            unlocks: Unlocks::new(ports, offline.run),
            store: offline.store,
        })
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}
