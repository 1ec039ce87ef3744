//! A runtime for one test.

use std::future::Future;

/// Runs a test on a runtime of its own with four worker threads, so that what can race does, also on a
/// machine with one core. The same as `#[tokio::test(flavor = "multi_thread", worker_threads = 4)]`, for
/// macros that must not ask their users for a dependency.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime starts")
        .block_on(test)
}
