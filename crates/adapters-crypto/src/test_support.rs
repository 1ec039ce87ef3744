//! A fixed clock and reproducible randomness, for the tests of this crate.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use common::{Clock, SecureRandom};
use time::{Duration, OffsetDateTime, macros::datetime};

use crate::{KeyRing, KeysInUse};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

pub(crate) struct TestClock(Mutex<OffsetDateTime>);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(NOW)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap()
    }
}

/// A generator that never repeats within a run and is the same in every run (`SplitMix64`).
pub(crate) struct SeededRandom(AtomicU64);

impl SeededRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        for chunk in buffer.chunks_mut(8) {
            let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

pub(crate) fn random() -> Arc<SeededRandom> {
    Arc::new(SeededRandom::new(7))
}

pub(crate) fn ring(seed: u64) -> KeyRing {
    KeyRing::generate(&SeededRandom::new(seed), NOW)
}

pub(crate) fn keys(seed: u64) -> Arc<KeysInUse> {
    KeysInUse::new(ring(seed))
}

/// A ring in which every key of `newer` is current and every key of `older` is previous.
pub(crate) fn rotated(newer: &KeyRing, older: &KeyRing) -> Arc<KeysInUse> {
    merged(newer, older, "previous")
}

/// A ring in which every key of `newer` is next and every key of `older` is current.
pub(crate) fn staged(newer: &KeyRing, older: &KeyRing) -> Arc<KeysInUse> {
    merged(older, newer, "next")
}

fn merged(current: &KeyRing, other: &KeyRing, state: &str) -> Arc<KeysInUse> {
    let (mut merged, other) = (document(current), document(other));
    for (section, keys) in merged.as_object_mut().unwrap() {
        if let Some(keys) = keys.as_array_mut() {
            let others = other[section].as_array().unwrap().iter().cloned();
            keys.extend(others.map(|mut key| {
                key["state"] = state.into();
                key
            }));
        }
    }
    KeysInUse::new(KeyRing::from_json(&merged.to_string().into()).unwrap())
}

pub(crate) fn document(ring: &KeyRing) -> serde_json::Value {
    let json = ring.to_json();
    serde_json::from_str(secrecy::ExposeSecret::expose_secret(&json)).unwrap()
}
