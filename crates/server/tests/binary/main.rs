//! The binary as operators meet it: its command line, its exit statuses, its log, its end.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod backup;
mod collector;
mod command_line;
mod configuration;
mod deployment;
mod doctor;
mod documents;
mod events;
mod keys;
mod log;
mod messages;
mod metrics;
mod process;
mod reports;
mod reset_factors;
mod revoke;
mod roles;
mod sbom;
mod shutdown;
mod start;
mod tls;
mod traces;
mod unlock;
mod users_import;
mod versions;
