//! A runtime for one test.

use std::{
    future::Future,
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

/// Time limit for shutting down a runtime. Its threads may wait for each other after a test has panicked, and the
/// message of the panic is more important than their end.
const GOOD_BYE: Duration = Duration::from_secs(10);

/// Runs a test on a new runtime with four worker threads, so that tasks really race, even on a machine with one core.
/// Similar to `#[tokio::test(flavor = "multi_thread", worker_threads = 4)]`, for macros that must not require a
/// dependency of their users; but it waits for the end of its threads only for a limited time.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    run_and_leave(test, GOOD_BYE)
}

fn run_and_leave<T>(test: impl Future<Output = T>, good_bye: Duration) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime starts");
    // Nothing is read that the panic may have left inconsistent: it is resumed below.
    let ended = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(test)));
    runtime.shutdown_timeout(good_bye);
    ended.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn a_test_that_panicked_ends_whatever_its_threads_wait_for() {
        let (let_go, waited_for) = mpsc::channel::<()>();
        let test = thread::spawn(|| {
            let test = async {
                tokio::task::spawn_blocking(move || waited_for.recv());
                panic!("the fact does not hold");
            };
            run_and_leave(test, Duration::from_millis(50))
        });
        let panicked = test.join().unwrap_err();
        assert_eq!(
            panicked.downcast_ref::<&str>(),
            Some(&"the fact does not hold")
        );
        drop(let_go);
    }
}
