//! What the tests of all crates share: throw-away databases, a settable clock, seeded randomness, log capture,
//! builders of values, and the contract suites that every adapter of a port must pass.
//!
//! For tests only; no other code depends on it. It must never know HTTP routes, nor any adapter: an adapter's tests
//! pass the adapter in.
//!
//! ```text
//! tests/contract.rs of a store          tests of anything else
//!   mod embedded {                        on_every_engine! {
//!       store_contract!(store);               async fn a_fact(engine: Engine) { … }
//!   }                                     }
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "code of tests: a broken expectation fails the test, loudly and at its place"
)]

pub mod authenticator;
pub mod builders;
pub mod clock;
pub mod contract;
pub mod database;
pub mod django;
pub mod engine;
pub mod log_capture;
pub mod race;
pub mod random;
pub mod runtime;
pub mod servers;

pub use clock::TestClock;
pub use database::TestDatabase;
pub use engine::Engine;
pub use log_capture::LogCapture;
pub use random::SeededRandom;
pub use servers::{redis_cluster_url, redis_sentinel_url, redis_url, unique_name};
