//! Counters for tests of query budgets and of account enumeration. Not exposed over HTTP.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use adapters_crypto::Argon2Pool;
use async_trait::async_trait;
use authentication_app::{
    caching::{Figures, Ledger},
    ports::{Channel, DeliveryError, Message, MessageSender},
};
use identity_adapters_postgres::Store;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// Counters since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Statements of the relational store, including those of workers; BEGIN, COMMIT and pings are not counted.
    pub statements: u64,
    /// Password hashes.
    pub hashes: u64,
    /// Strength estimates of new passwords.
    pub estimates: u64,
    /// Messages that were sent.
    pub messages_sent: u64,
}

/// Access to the counters, and to the store that is closed at the end.
#[derive(Clone)]
pub(crate) struct Gauges {
    store: Arc<Store>,
    hasher: Arc<Argon2Pool>,
    caches: Ledger,
    messages_sent: Arc<AtomicU64>,
    gate: Arc<RwLock<()>>,
}

impl Gauges {
    pub(super) fn new(
        store: Arc<Store>,
        hasher: Arc<Argon2Pool>,
        caches: Ledger,
        gate: Arc<RwLock<()>>,
    ) -> Self {
        Self {
            store,
            hasher,
            caches,
            messages_sent: Arc::default(),
            gate,
        }
    }

    pub(super) fn messages_sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.messages_sent)
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            statements: self.store.statements(),
            hashes: self.hasher.hashes(),
            estimates: self.hasher.estimates(),
            messages_sent: self.messages_sent.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn caches(&self) -> Vec<Figures> {
        self.caches.read()
    }

    /// Waits until no worker is active; none starts a round while the guard is held.
    pub(crate) async fn pause_workers(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    pub(crate) async fn close_store(&self) {
        self.store.close().await;
    }
}

/// Counts the messages that are sent.
pub(super) struct CountingSender {
    inner: Arc<dyn MessageSender>,
    sent: Arc<AtomicU64>,
}

impl CountingSender {
    pub(super) const fn new(inner: Arc<dyn MessageSender>, sent: Arc<AtomicU64>) -> Self {
        Self { inner, sent }
    }
}

#[async_trait]
impl MessageSender for CountingSender {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        self.inner.send(message).await?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn at_once(&self, channel: Channel) -> usize {
        self.inner.at_once(channel)
    }
}
