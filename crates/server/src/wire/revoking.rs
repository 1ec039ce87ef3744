//! The dependencies of revoking many sessions and of completing a restore, on the command line and at the start.

use std::sync::Arc;

use adapters_crypto::CryptoVault;
use adapters_redis::RedisSessionCache;
use authentication_app::{
    ports::{RevocationStore as _, SessionCache},
    sessions::{Aftermath, Restores, RevocationPorts, Revocations},
};
use common::{Clock, Id, RequestId, SecureRandom};
use identity_adapters_postgres::Store;

use super::{ephemeral, offline::Offline};
use crate::{StartError, config::Config};

/// The type of the ids of runs.
enum Run {}

/// A revocation, or the completion of a restore, that is ready to run.
pub(crate) struct Revoking {
    pub(crate) revocations: Revocations,
    /// The clock of the service.
    pub(crate) clock: Arc<dyn Clock>,
    store: Arc<Store>,
}

impl Revoking {
    /// Opens the store, whose schema must be that of this release.
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let offline = Offline::open(config).await?;
        let redis = ephemeral::connect(config).await?;
        let ports = RevocationPorts {
            store: offline.store.clone(),
            shared: redis
                .map(|redis| Arc::new(RedisSessionCache::new(redis)) as Arc<dyn SessionCache>),
            vault: offline.vault,
            clock: Arc::clone(&offline.clock),
            random: offline.random,
        };
        Ok(Self {
            clock: offline.clock,
            revocations: Revocations::new(ports, offline.run),
            store: offline.store,
        })
    }

    /// For the steps after a restore; the caller must call [`Store::close`].
    pub(crate) fn into_restores(self) -> (Restores, Arc<Store>) {
        (Restores::new(self.revocations), self.store)
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}

/// Completes interrupted restores, before this node serves requests.
pub(super) async fn finish_restores(
    store: &Arc<Store>,
    vault: &Arc<CryptoVault>,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn SecureRandom>,
    shared: Option<Arc<dyn SessionCache>>,
) -> Result<Vec<Aftermath>, StartError> {
    let ports = RevocationPorts {
        store: store.clone(),
        shared,
        vault: vault.clone(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
    };
    if store.unfinished_restore().await?.is_none() {
        return Ok(Vec::new());
    }
    let run = Id::<Run>::at(clock.now(), random.as_ref()).as_uuid();
    let restores = Restores::new(Revocations::new(ports, RequestId::from_uuid(run)));
    let finished = restores.finish().await?;
    for done in &finished {
        let (sessions, accounts) = (done.ended.sessions, done.ended.accounts);
        let kept = done.voided.sessions_kept;
        tracing::warn!(
            sessions,
            accounts,
            kept,
            "a restore was finished before serving"
        );
    }
    Ok(finished)
}
