//! The use cases and what they stand on, with the embedded adapters and with fakes of outward ports: the
//! order of effects, and what a failure leaves behind.
//!
//! Here and not beside the code, where testkit would bring a second copy of this crate along.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod bed;
mod caching;
mod effects;
mod factor_resets;
mod failures;
mod federation;
mod keys;
mod notifications;
mod owner;
mod owner_effects;
mod people;
mod protection;
mod put_off;
mod rivals;
mod secrets;
mod sessions;
mod stale_sessions;
