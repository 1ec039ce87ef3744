//! The dependencies of an import, without those of a server.

use std::sync::Arc;

use adapters_crypto::{BlindIndex, DjangoHashes};
use authentication_app::imports::{ImportPorts, Imports};
use identity_adapters_postgres::Store;

use super::{offline::Offline, providers::issuers};
use crate::{StartError, config::Config};

/// An import that is ready to run.
pub(crate) struct Importing {
    pub(crate) imports: Imports,
    store: Arc<Store>,
}

impl Importing {
    /// Opens the store, whose schema must be that of this release.
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
