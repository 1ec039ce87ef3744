//! What unlocking an account runs on: the store, and the keys that seal the trail.

use std::sync::Arc;

use adapters_crypto::{CryptoVault, KeysInUse, SystemClock, SystemRandom};
use authentication_app::accounts::{UnlockPorts, Unlocks};
use common::{Clock as _, Id, RequestId, SecureRandom};
use identity_adapters_postgres::Store;

use super::{RingPlace, keys, store};
use crate::{StartError, config::Config};

/// Marks the ids of runs.
enum Run {}

/// An account is about to be unlocked.
pub(crate) struct Unlocking {
    pub(crate) unlocks: Unlocks,
    store: Arc<Store>,
}

impl Unlocking {
    /// On a database with this release's schema; migrating is another command's.
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let random: Arc<dyn SecureRandom> = Arc::new(SystemRandom);
        let (place, now) = (RingPlace::of(config)?, SystemClock.now());
        let ring = keys::load(config, &place, random.as_ref(), now)?;
        let keys = KeysInUse::new(ring);
        let store = Arc::new(store::open_migrated(config, &SystemClock).await?);
        let service = keys::service_key(&store, &keys, random.as_ref(), now).await?;
        let run = Id::<Run>::at(now, random.as_ref());
        let ports = UnlockPorts {
            store: store.clone(),
            vault: Arc::new(CryptoVault::new(keys, service, Arc::clone(&random))),
            clock: Arc::new(SystemClock),
            random,
        };
        let unlocks = Unlocks::new(ports, RequestId::from_uuid(run.as_uuid()));
        Ok(Self { unlocks, store })
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}
