//! What people notice when something that the service depends on is away, slow or full: the real binary, under
//! load, on stores that are stopped, frozen and filled behind its back. `docs/degraded-modes.md` names each test.
//!
//! How fast answers come and how soon the service is itself again is measured by `deploy/faults.sh`, on a
//! machine that does nothing else; here it has to be so at all.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod client;
mod disk;
mod flood;
mod poolers;
mod postgres;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../binary/process.rs"]
mod process;
mod redis;
mod slow_clients;
mod visitor;
