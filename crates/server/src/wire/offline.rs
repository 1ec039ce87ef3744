//! The dependencies of a command that works on accounts beside the running service: the store and the keys.

use std::sync::Arc;

use adapters_crypto::{CryptoVault, KeysInUse, SystemClock, SystemRandom};
use common::{Clock, Id, RequestId, SecureRandom};
use identity_adapters_postgres::Store;

use super::{RingPlace, keys, store};
use crate::{StartError, config::Config};

/// The type of the ids of runs.
enum Run {}

pub(super) struct Offline {
    pub(super) store: Arc<Store>,
    pub(super) keys: Arc<KeysInUse>,
    pub(super) vault: Arc<CryptoVault>,
    /// The clock of the service.
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn SecureRandom>,
    /// The id of this run in the audit log, like that of a request.
    pub(super) run: RequestId,
}

impl Offline {
    /// Opens the store, whose schema must be migrated already.
    pub(super) async fn open(config: &Config) -> Result<Self, StartError> {
        // For TLS to the database. An error means that a provider is installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let random: Arc<dyn SecureRandom> = Arc::new(SystemRandom);
        let (place, now) = (RingPlace::of(config)?, SystemClock.now());
        let ring = keys::load(config, &place, random.as_ref(), now)?;
        let keys = KeysInUse::new(ring);
        let (store, clock) = store::open_migrated(config).await?;
        let service = keys::service_key(&store, &keys, random.as_ref(), now).await?;
        let vault = CryptoVault::new(Arc::clone(&keys), service, Arc::clone(&random));
        let run = Id::<Run>::at(clock.now(), random.as_ref());
        Ok(Self {
            store,
            keys,
            vault: Arc::new(vault),
            clock,
            random,
            run: RequestId::from_uuid(run.as_uuid()),
        })
    }
}
