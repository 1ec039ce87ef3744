//! What an import runs on, and nothing that serves.

use std::sync::Arc;

use adapters_crypto::{BlindIndex, DjangoHashes};
use authentication_app::imports::{ImportPorts, Imports};
use identity_adapters_postgres::Store;

use super::{offline::Offline, providers::issuers};
use crate::{StartError, config::Config};

/// An import that is about to run.
pub(crate) struct Importing {
    pub(crate) imports: Imports,
    store: Arc<Store>,
}

impl Importing {
    /// On a database with this release's schema.
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let offline = Offline::open(config).await?;
        let ports = ImportPorts {
            store: offline.store.clone(),
            vault: offline.vault,
            index: Arc::new(BlindIndex::new(offline.keys)),
            issuers: issuers(config),
            hashes: Arc::new(DjangoHashes),
            clock: offline.clock,
            random: offline.random,
        };
        Ok(Self {
            imports: Imports::new(ports, offline.run),
            store: offline.store,
        })
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}
