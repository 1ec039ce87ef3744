//! What a hash costs, and how many at a time.

use std::thread::available_parallelism;

/// Parameters of argon2id and of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashingConfig {
    /// `m`: memory of one hash in KiB.
    pub memory_kib: u32,
    /// `t`: passes over the memory.
    pub iterations: u32,
    /// `p`: lanes. They are computed one after the other; other hashes keep the other cores busy.
    pub parallelism: u32,
    /// How many hashes are computed at a time.
    pub threads: usize,
    /// How many may wait. One more is refused at once.
    pub queue: usize,
}

/// Why passwords cannot be hashed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashingConfigError {
    /// Weaker than every setting that OWASP's Password Storage Cheat Sheet names as a minimum.
    #[error(
        "argon2id with {memory_kib} KiB and {iterations} iterations is too weak: at least 19456 KiB \
         with 2, or 47104 with 1, 12288 with 3, 9216 with 4, 7168 with 5"
    )]
    TooWeak {
        /// What was asked for.
        memory_kib: u32,
        /// What was asked for.
        iterations: u32,
    },
    /// No service could bear it, or none could work with it.
    #[error("passwords.{setting} is not between {least} and {most}")]
    OutOfBounds {
        /// Which.
        setting: &'static str,
        /// The lower bound.
        least: u64,
        /// The upper bound.
        most: u64,
    },
}

impl HashingConfig {
    /// The most memory of a hash, whether made here or read from a store.
    pub(super) const MAX_MEMORY_KIB: u32 = 1 << 20;
    /// The most passes.
    pub(super) const MAX_ITERATIONS: u32 = 32;
    /// The most lanes.
    pub(super) const MAX_PARALLELISM: u32 = 16;
    const MAX_THREADS: usize = 256;
    const MAX_QUEUE: usize = 10_000;
    /// Settings that OWASP calls equal: KiB and iterations, one lane.
    const LEAST: [(u32, u32); 5] = [
        (47_104, 1),
        (19_456, 2),
        (12_288, 3),
        (9_216, 4),
        (7_168, 5),
    ];

    pub(super) fn validate(&self) -> Result<(), HashingConfigError> {
        let bounded: [(&'static str, u64, u64); 5] = [
            (
                "memory_kib",
                self.memory_kib.into(),
                Self::MAX_MEMORY_KIB.into(),
            ),
            (
                "iterations",
                self.iterations.into(),
                Self::MAX_ITERATIONS.into(),
            ),
            (
                "parallelism",
                self.parallelism.into(),
                Self::MAX_PARALLELISM.into(),
            ),
            ("threads", self.threads as u64, Self::MAX_THREADS as u64),
            ("queue", self.queue as u64, Self::MAX_QUEUE as u64),
        ];
        for (setting, value, most) in bounded {
            if !(1..=most).contains(&value) {
                let least = 1;
                return Err(HashingConfigError::OutOfBounds {
                    setting,
                    least,
                    most,
                });
            }
        }
        let is_enough = Self::LEAST.into_iter().any(|(memory_kib, iterations)| {
            self.memory_kib >= memory_kib && self.iterations >= iterations
        });
        if is_enough {
            Ok(())
        } else {
            Err(HashingConfigError::TooWeak {
                memory_kib: self.memory_kib,
                iterations: self.iterations,
            })
        }
    }
}

impl Default for HashingConfig {
    /// OWASP's second setting, a thread for each core, and half a second's worth of waiting on two.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            threads: available_parallelism().map_or(1, usize::from),
            queue: 64,
        }
    }
}
