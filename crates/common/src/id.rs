//! Typed identifiers that cannot be confused with one another.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    clock::Clock,
    random::{self, SecureRandom},
};

/// The identifier of one kind of entity: an `Id<Session>` is not an `Id<Account>`.
///
/// UUID version 7 (RFC 9562 §5.7): sorted by creation time, which keeps indexes compact.
pub struct Id<K> {
    value: Uuid,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// Creates an identifier from the given clock and random number generator.
    pub fn mint(clock: &dyn Clock, random: &dyn SecureRandom) -> Self {
        Self::at(clock.now(), random)
    }

    /// Creates an identifier with the timestamp `now`. A use case reads the clock once and passes the time
    /// on.
    pub fn at(now: OffsetDateTime, random: &dyn SecureRandom) -> Self {
        let millis = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        Self::from_uuid(
            uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes(random)).into_uuid(),
        )
    }

    /// Wraps an existing value, read from a store, a path or a token.
    pub const fn from_uuid(value: Uuid) -> Self {
        Self {
            value,
            kind: PhantomData,
        }
    }

    /// The UUID itself, for stores.
    pub const fn as_uuid(&self) -> Uuid {
        self.value
    }
}

/// The text is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed identifier")]
pub struct MalformedId;

impl<K> FromStr for Id<K> {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text)
            .map(Self::from_uuid)
            .map_err(|_| MalformedId)
    }
}

// Written by hand, because a derive would require the same traits of the marker `K`.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value, f)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value, f)
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self::from_uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    struct Thing;
    struct Fixed(u8);
    impl SecureRandom for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    #[test]
    fn identifiers_sort_by_the_time_they_were_made() {
        let early = Id::<Thing>::at(datetime!(2026-01-01 00:00 UTC), &Fixed(255));
        let late = Id::<Thing>::at(datetime!(2026-01-01 00:00:01 UTC), &Fixed(0));
        assert!(early < late);
        assert_eq!(early.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn text_and_back() {
        let id = Id::<Thing>::at(datetime!(2026-01-01 00:00 UTC), &Fixed(7));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("nonsense".parse::<Id<Thing>>(), Err(MalformedId));
    }
}
