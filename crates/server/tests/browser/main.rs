//! A real browser with a virtual authenticator, on a page of a site, before the real service: what Chromium
//! and this service think of each other.
//!
//! `deploy/servers.sh` says where the browser is.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod driver;
mod heavy_mailbox;
mod heavy_passkeys;
mod site;
