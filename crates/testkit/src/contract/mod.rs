//! What each port promises, as suites that every adapter of the port runs: the embedded ones too.
//!
//! A suite states facts in the words of the port's documentation. It knows no adapter and no table; time
//! comes as an argument, so every edge is exact and nothing waits for it.

pub mod cache;
pub mod revocations;
pub mod store;
pub mod throttle;
