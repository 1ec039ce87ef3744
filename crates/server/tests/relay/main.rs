//! Events on their way out: the real binary as a relay, before a receiver of our own, and what becomes of
//! events in every case.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod crash;
mod gone;
mod node;
mod outcomes;
mod poison;
mod receiver;
mod writer;

use std::hash::{BuildHasher as _, RandomState};

/// What the receiver and the relays share.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A number below `end`, another one at each call.
fn random(end: usize) -> usize {
    let random = RandomState::new().hash_one(0);
    usize::try_from(random % u64::try_from(end).unwrap()).unwrap()
}
