//! Cost parameters of password hashes, and the size of the pool.

use std::thread::available_parallelism;

/// Parameters of argon2id and of the thread pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashingConfig {
    /// `m`: memory per hash in KiB.
    pub memory_kib: u32,
    /// `t`: passes over the memory.
    pub iterations: u32,
    /// `p`: lanes. They are computed sequentially; other hashes use the other cores.
    pub parallelism: u32,
    /// Number of hashes computed at the same time.
    pub threads: usize,
    /// Maximum number of waiting hashes. One more is refused immediately.
    pub queue: usize,
}

/// Why the parameters are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashingConfigError {
    /// Weaker than every minimum setting in OWASP's Password Storage Cheat Sheet.
    #[error(
        "argon2id with {memory_kib} KiB and {iterations} iterations is too weak: at least 19456 KiB \
         with 2, or 47104 with 1, 12288 with 3, 9216 with 4, 7168 with 5"
    )]
    TooWeak {
        /// The configured memory.
        memory_kib: u32,
        /// The configured iterations.
        iterations: u32,
    },
    /// Outside the supported range.
    #[error("passwords.{setting} is not between {least} and {most}")]
    OutOfBounds {
        /// The setting.
        setting: &'static str,
        /// The lower bound.
        least: u64,
        /// The upper bound.
        most: u64,
    },
}

impl HashingConfig {
    /// Maximum memory of a hash, both new and read from a store.
    pub(super) const MAX_MEMORY_KIB: u32 = 1 << 20;
    /// Maximum number of passes.
    pub(super) const MAX_ITERATIONS: u32 = 32;
    /// Maximum number of lanes.
    pub(super) const MAX_PARALLELISM: u32 = 16;
    const MAX_THREADS: usize = 256;
    const MAX_QUEUE: usize = 10_000;
    /// Settings that OWASP considers equivalent: KiB and iterations, with one lane.
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
    /// OWASP's second setting, one thread per core, and a queue of about half a second on two cores.
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
