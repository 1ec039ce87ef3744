//! What something is cached for, declared once and in one place.

use std::fmt::Display;

use common::{SecureRandom, random};
use time::{Duration, OffsetDateTime};

/// The declaration of one cache.
///
/// Made with [`Intent::checked`] in a `const`, so that one that cannot be meant does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// What it is called in keys, figures and documents.
    pub name: &'static str,
    /// Why it is cached: what it spares, and why it may be a moment old.
    pub why: &'static str,
    /// Of the shape that is stored. Whoever changes that raises it: it is part of every key that leaves
    /// the process, so that two releases side by side never read each other's.
    pub version: u16,
    /// How long a value lives at the most.
    pub ttl: Duration,
    /// How much of that chance takes away at the most, in percent: what was loaded together does not
    /// expire together.
    pub jitter_percent: u8,
    /// In the last so many percent of its life a value that is asked for is loaded anew, once and in the
    /// background, so that nobody waits for that and no crowd comes when it is over. 0 is never.
    pub early_percent: u8,
    /// How many values one process keeps at the most; 0 where others keep them.
    pub capacity: u64,
}

impl Intent {
    /// Takes the declaration if it can be meant.
    ///
    /// # Panics
    /// In a `const`, so at compile time: when a text is missing, a number is outside its range, or there
    /// is no moment at which every value is due for its early refresh and none is over.
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

    /// The key of a value in a store that others share.
    pub fn key(&self, of: impl Display) -> String {
        format!("{}:v{}:{of}", self.name, self.version)
    }

    /// How long the value that is kept now will live.
    pub fn life(&self, random: &dyn SecureRandom) -> Life {
        self.life_by(u16::from_be_bytes(random::bytes(random)))
    }

    /// The same for a draw that was made elsewhere: 0 is the longest life.
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

/// The life of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// How long it may be used.
    pub total: Duration,
    /// The last part of that, in which it is loaded anew if somebody asks for it.
    pub early: Duration,
}

impl Life {
    /// Until when a value that is kept `now` may be used.
    pub fn until(&self, now: OffsetDateTime) -> OffsetDateTime {
        now + self.total
    }

    /// From when on it is due for its early refresh.
    pub fn due(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.until(now) - self.early
    }
}
