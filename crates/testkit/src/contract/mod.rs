//! The promises of each port, as suites that every adapter of the port runs, including the embedded ones.
//!
//! A suite states facts in the terms of the port's documentation. It knows no adapter and no table. Time is an
//! argument, so every boundary is exact and no test has to wait for it.

pub mod cache;
pub mod revocations;
pub mod store;
pub mod throttle;
