//! The declaration of what a cache is for.

use std::fmt::Display;

use common::{SecureRandom, random};
use time::{Duration, OffsetDateTime};

/// The declaration of one cache.
///
/// Made with [`Intent::checked`] in a `const`, so that an inconsistent one does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// The cache's name in keys, metrics and documents.
    pub name: &'static str,
    /// Why it exists: what it saves, and why its values may be slightly stale.
    pub why: &'static str,
    /// The version of the stored format, to be incremented with every change of it. It is part of every key that
    /// leaves the process, so that two releases running side by side never read each other's values.
    pub version: u16,
    /// The maximum TTL of a value.
    pub ttl: Duration,
    /// The jitter: the maximum part of the TTL, in percent, by which it is randomly shortened, so that values
    /// loaded together do not expire together.
    pub jitter_percent: u8,
    /// Early refresh: in this last part of its life, in percent, a requested value is reloaded once, in the
    /// background. So no caller waits for the reload, and no stampede follows the expiry. 0 disables it.
    pub early_percent: u8,
    /// The maximum number of values in one process; 0 where another system stores them.
    pub capacity: u64,
}

impl Intent {
    /// Validates the declaration.
    ///
    /// # Panics
    /// In a `const`, so at compile time: when a text is missing, a number is outside its range, or there is no
    /// moment at which every value is due for its early refresh and none has expired.
    #[must_use]
    pub const fn checked(self) -> Self {
        assert!(!self.name.is_empty() && !self.why.is_empty());
        assert!(self.version > 0);
        assert!(self.ttl.is_positive());
        assert!(self.jitter_percent <= 50 && self.early_percent <= 90);
        assert!(self.early_percent == 0 || self.early_percent > self.jitter_percent);
        assert!(self.early_percent + self.jitter_percent < 100);
        self
    }

    /// The key of a value in a shared store.
    pub fn key(&self, of: impl Display) -> String {
        format!("{}:v{}:{of}", self.name, self.version)
    }

    /// A random lifetime for a value that is cached now.
    pub fn life(&self, random: &dyn SecureRandom) -> Life {
        self.life_by(u16::from_be_bytes(random::bytes(random)))
    }

    /// The same for a given random draw: 0 gives the longest lifetime.
    pub fn life_by(&self, draw: u16) -> Life {
        let taken = percent(self.ttl, self.jitter_percent) * i32::from(draw) / i32::from(u16::MAX);
        let total = self.ttl - taken;
        Life {
            total,
            early: percent(total, self.early_percent),
        }
    }
}

fn percent(of: Duration, percent: u8) -> Duration {
    of * i32::from(percent) / 100
}

/// The lifetime of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// How long it may be used.
    pub total: Duration,
    /// The last part of it, in which a request triggers a reload.
    pub early: Duration,
}

impl Life {
    /// When a value cached at `now` expires.
    pub fn until(&self, now: OffsetDateTime) -> OffsetDateTime {
        now + self.total
    }

    /// When its early refresh becomes due.
    pub fn due(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.until(now) - self.early
    }
}
