//! Password hashes: argon2id (RFC 9106) on a bounded pool of threads of its own.
//!
//! A hash costs some 7 to 15 ms of a core and 19 MiB. So that it costs nobody else: as many threads as there
//! are cores, at a lower priority than those that answer requests, each with one buffer that it keeps;
//! and a queue that is full says so at once instead of letting people wait for what they will not get.
//!
//! So memory has a bound: threads times `passwords.memory_kib`, and 256 MiB in all for hashes from elsewhere
//! that need more.

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

/// Bytes of a new salt (RFC 9106 §3.1).
const SALT_BYTES: usize = 16;

/// Hashes and compares passwords.
pub struct Argon2Pool {
    pool: Pool,
    keys: Arc<KeysInUse>,
    config: HashingConfig,
    /// The salt of a hash that nobody has.
    decoy_salt: [u8; SALT_BYTES],
    random: Arc<dyn SecureRandom>,
    hashes: Arc<AtomicU64>,
    estimates: Arc<AtomicU64>,
}

/// Why no passwords can be hashed.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The parameters.
    #[error(transparent)]
    Config(#[from] HashingConfigError),
    /// The operating system gives no threads.
    #[error("the threads for password hashes cannot be started")]
    Threads(#[source] io::Error),
    /// The engine does not compute on this processor what the standard says.
    #[error(
        "argon2 gives other hashes on this processor than RFC 9106 says: nothing may be hashed here"
    )]
    Engine,
}

impl Argon2Pool {
    /// Starts the threads; they end when the pool is dropped. Each takes its buffer with its first hash.
    ///
    /// # Errors
    /// [`PoolError`] when the parameters are too weak or out of bounds, threads cannot be had, or the engine
    /// fails its test.
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

    /// Tells how long hashes wait and take.
    #[must_use]
    pub fn metered(mut self, meter: Arc<dyn Meter>) -> Self {
        self.pool.set_meter(meter);
        self
    }

    /// How many hashes were computed since the start.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// How many estimates were made since the start.
    pub fn estimates(&self) -> u64 {
        self.estimates.load(Ordering::Relaxed)
    }

    /// How many wait for a thread, or for memory, at this moment.
    pub fn waiting(&self) -> usize {
        self.pool.waiting()
    }

    /// How many threads compute at this moment.
    pub fn busy(&self) -> usize {
        self.pool.busy()
    }

    /// Runs one computation on the pool, which takes so much memory beside what a thread keeps.
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

    /// How new hashes are made, with the salt of a hash that nobody has.
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
