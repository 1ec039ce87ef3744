//! People who come over from Django: their passwords, and the command that brings them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod hashes;
mod imports;
