//! What an import runs on: the store and the keys, and nothing that serves.

use std::sync::Arc;

use adapters_crypto::{
    BlindIndex, CryptoVault, DjangoHashes, KeysInUse, SystemClock, SystemRandom,
};
use authentication_app::imports::{ImportPorts, Imports};
use common::{Clock as _, Id, RequestId, SecureRandom};
use identity_adapters_postgres::Store;

use super::{RingPlace, keys, store};
use crate::{StartError, config::Config};

/// Marks the ids of runs.
enum Run {}

/// An import that is about to run.
pub(crate) struct Importing {
    pub(crate) imports: Imports,
    store: Arc<Store>,
}

impl Importing {
    /// On a database with this release's schema; migrating is another command's.
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let random: Arc<dyn SecureRandom> = Arc::new(SystemRandom);
        let (place, now) = (RingPlace::of(config)?, SystemClock.now());
        let ring = keys::load(config, &place, random.as_ref(), now)?;
        let keys = KeysInUse::new(ring);
        let store = Arc::new(store::open_migrated(config, &SystemClock).await?);
        let service = keys::service_key(&store, &keys, random.as_ref(), now).await?;
        let run = Id::<Run>::at(SystemClock.now(), random.as_ref());
        let ports = ImportPorts {
            store: store.clone(),
            vault: Arc::new(CryptoVault::new(
                Arc::clone(&keys),
                service,
                Arc::clone(&random),
            )),
            index: Arc::new(BlindIndex::new(keys)),
            hashes: Arc::new(DjangoHashes),
            clock: Arc::new(SystemClock),
            random,
        };
        let imports = Imports::new(ports, RequestId::from_uuid(run.as_uuid()));
        Ok(Self { imports, store })
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}
