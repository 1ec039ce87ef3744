//! Password hashes: argon2id (RFC 9106) on a bounded thread pool of its own.
//!
//! A hash costs about 7 to 15 ms on one core and 19 MiB. To protect other requests, the pool has one thread
//! per core, at a lower priority than the threads that answer requests, each with one reusable buffer. A full
//! queue refuses work immediately instead of letting people wait for a hash that will not come in time.
//!
//! Memory is bounded: threads times `passwords.memory_kib`, plus 256 MiB in total for hashes from other
//! systems that need more.

mod argon2id;
mod config;
mod django;
mod memory;
mod pool;
mod queue;
mod room;
mod stored_hash;
#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use authentication_app::ports::{HashError, Meter, PasswordHasher, Verification};
use authentication_domain::credentials::{PasswordHash, PlainPassword, Strength};
use common::{SecureRandom, random};
use zeroize::Zeroizing;

use crate::keys::KeysInUse;
use argon2id::{Argon2Recipe, engine_is_sound};
pub(crate) use argon2id::{Peppers, pepper_mark};
pub use config::{HashingConfig, HashingConfigError};
pub use django::DjangoHashes;
use memory::Memory;
use pool::Pool;
use stored_hash::StoredHash;

/// Length of a new salt in bytes (RFC 9106 §3.1).
const SALT_BYTES: usize = 16;

/// Hashes and verifies passwords.
pub struct Argon2Pool {
    pool: Pool,
    keys: Arc<KeysInUse>,
    config: HashingConfig,
    /// The salt of a dummy hash that belongs to no account.
    decoy_salt: [u8; SALT_BYTES],
    random: Arc<dyn SecureRandom>,
    hashes: Arc<AtomicU64>,
    estimates: Arc<AtomicU64>,
}

/// Why the pool cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The parameters are not usable.
    #[error(transparent)]
    Config(#[from] HashingConfigError),
    /// The operating system refused a thread.
    #[error("the threads for password hashes cannot be started")]
    Threads(#[source] io::Error),
    /// The engine fails the test vector of the standard on this processor.
    #[error(
        "argon2 gives other hashes on this processor than RFC 9106 says: nothing may be hashed here"
    )]
    Engine,
}

impl Argon2Pool {
    /// Starts the threads; they end when the pool is dropped. Each allocates its buffer with its first hash.
    ///
    /// # Errors
    /// [`PoolError`] when the parameters are too weak or out of bounds, a thread cannot be started, or the
    /// engine fails its self-test.
    pub fn start(
        keys: Arc<KeysInUse>,
        config: &HashingConfig,
        random: Arc<dyn SecureRandom>,
    ) -> Result<Self, PoolError> {
        config.validate()?;
        if !engine_is_sound() {
            return Err(PoolError::Engine);
        }
        Ok(Self {
            pool: Pool::start(config).map_err(PoolError::Threads)?,
            keys,
            config: *config,
            decoy_salt: random::bytes(random.as_ref()),
            random,
            hashes: Arc::default(),
            estimates: Arc::default(),
        })
    }

    /// Reports waiting times and durations of hashes to `meter`.
    #[must_use]
    pub fn metered(mut self, meter: Arc<dyn Meter>) -> Self {
        self.pool.set_meter(meter);
        self
    }

    /// Number of hashes computed since the start.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// Number of strength estimates since the start.
    pub fn estimates(&self) -> u64 {
        self.estimates.load(Ordering::Relaxed)
    }

    /// Number of jobs that currently wait for a thread or for memory.
    pub fn waiting(&self) -> usize {
        self.pool.waiting()
    }

    /// Number of threads that are currently computing.
    pub fn busy(&self) -> usize {
        self.pool.busy()
    }

    /// Runs one computation on the pool, which needs `beside_kib` KiB beside the thread's own buffer.
    async fn counted<T: Send + 'static>(
        &self,
        password: &str,
        beside_kib: u32,
        hash: impl FnOnce(&[u8], &mut Memory) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let password = Zeroizing::new(password.to_owned());
        let hashes = Arc::clone(&self.hashes);
        let work = move |memory: &mut Memory| {
            hashes.fetch_add(1, Ordering::Relaxed);
            hash(password.as_bytes(), memory)
        };
        match beside_kib {
            0 => self.pool.run(work).await?,
            kib => self.pool.run_large(kib, work).await?,
        }
    }

    /// The recipe for new hashes, with the salt of the dummy hash.
    fn current(&self) -> Argon2Recipe {
        Argon2Recipe::current(&self.config, &self.keys.load().peppers, self.decoy_salt)
    }

    async fn compute(
        &self,
        recipe: Argon2Recipe,
        password: &PlainPassword,
    ) -> Result<Zeroizing<Vec<u8>>, HashError> {
        self.counted(password.expose(), 0, move |password, memory| {
            recipe.compute(password, memory)
        })
        .await
    }
}

#[async_trait]
impl PasswordHasher for Argon2Pool {
    async fn hash(&self, password: &PlainPassword) -> Result<PasswordHash, HashError> {
        let recipe = self
            .current()
            .with_salt(random::bytes(self.random.as_ref()))?;
        let output = self.compute(recipe.clone(), password).await?;
        recipe.encode(&output)
    }

    async fn verify(
        &self,
        password: &PlainPassword,
        hash: Option<&PasswordHash>,
    ) -> Result<Verification, HashError> {
        let Some(hash) = hash else {
            self.compute(self.current(), password).await?;
            return Ok(Verification::Mismatch);
        };
        let stored = StoredHash::parse(hash, &self.keys.load().peppers)?;
        let outdated = !stored.is_like(&self.current());
        let beside_kib = stored.memory_beside(self.config.memory_kib);
        let matches = self
            .counted(
                stored.text_of(password),
                beside_kib,
                move |password, memory| stored.matches(password, memory),
            )
            .await?;
        Ok(if matches {
            Verification::Match { outdated }
        } else {
            Verification::Mismatch
        })
    }

    async fn estimate(
        &self,
        password: &PlainPassword,
        guessed_first: Vec<String>,
    ) -> Result<Strength, HashError> {
        let password = Zeroizing::new(password.expose().to_owned());
        let estimates = Arc::clone(&self.estimates);
        self.pool
            .run_other(move |_| {
                estimates.fetch_add(1, Ordering::Relaxed);
                Strength::of(&password, &guessed_first)
            })
            .await
    }
}
