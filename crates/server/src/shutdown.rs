//! Shutdown signals, and the time limit of each step of a graceful shutdown.

use std::{
    io::{self, Write as _},
    thread,
    time::Duration,
};

use rustix::process::{getpid, kill_process};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use crate::telemetry::LogOutput;

/// From the request to stop until requests in progress are aborted. Includes the drain delay for load balancers.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);
/// Time limit for the workers, after [`DRAIN`].
pub(crate) const WORKERS_END: Duration = Duration::from_secs(3);
/// Time limit for closing the store, after [`WORKERS_END`].
pub(crate) const STORE_END: Duration = Duration::from_secs(2);
/// Time limit for exporting the last traces, metrics and reports together, after [`STORE_END`].
pub(crate) const EXPORTS_END: Duration = Duration::from_secs(5);

/// Time limit for writing the last lines of the log.
pub(crate) const LOG_END: Duration = Duration::from_secs(1);
/// The process exits within this time after a request to stop, even if a step hangs.
const ALL_OF_IT: Duration = Duration::from_secs(
    DRAIN.as_secs()
        + WORKERS_END.as_secs()
        + STORE_END.as_secs()
        + EXPORTS_END.as_secs()
        + LOG_END.as_secs(),
);

/// SIGTERM, which orchestrators send, and SIGINT, which Ctrl-C sends.
#[derive(Debug)]
pub(crate) struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// From this call on, these signals no longer terminate the process directly.
    ///
    /// # Errors
    /// [`io::Error`] when the operating system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal and returns its name.
    pub(crate) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Starts a watchdog thread that kills the process if it has not exited in time after a shutdown signal. The thread
/// waits for nothing else.
///
/// # Errors
/// [`io::Error`] when the thread cannot be started.
pub(crate) fn end_in_any_case(log: LogOutput) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _inside = runtime.enter();
        ShutdownSignals::listen()?
    };
    let watch = move || {
        runtime.block_on(async {
            signals.received().await;
            sleep(ALL_OF_IT).await;
        });
        tracing::error!("the process did not end in time and is killed");
        log.flush(LOG_END);
        // Not `exit`: it would run the registered exit handlers, which may hang.
        let _ = kill_process(getpid(), rustix::process::Signal::KILL);
    };
    thread::Builder::new()
        .name("shutdown".to_owned())
        .spawn(watch)
        .map(drop)
}

/// Writes to standard error, and waits for at most [`LOG_END`]: standard error may be a pipe that is not read.
pub(crate) fn complain(text: String) {
    let (written, is_written) = std::sync::mpsc::channel();
    let write = move || {
        // A closed standard error leaves no other place to report to.
        let _ = io::stderr().write_all(text.as_bytes());
        let _ = written.send(());
    };
    if thread::Builder::new().spawn(write).is_ok() {
        let _ = is_written.recv_timeout(LOG_END);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds that follow `mark`, searched after the first occurrence of `after`.
    fn seconds(file: &str, after: &str, mark: &str) -> Duration {
        let (_, rest) = file.split_once(after).expect(after);
        let (_, rest) = rest.split_once(mark).expect(mark);
        let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
        Duration::from_secs(digits.unwrap().parse().expect(mark))
    }

    #[test]
    fn deployments_give_the_time_that_all_of_the_end_may_take() {
        let unit = include_str!("../../../deploy/fashionistar-auth.service");
        let compose = include_str!("../../../deploy/compose.yaml");
        let pod = include_str!("../../../deploy/kubernetes/auth.yaml");
        for given in [
            seconds(unit, "[Service]", "TimeoutStopSec="),
            seconds(compose, "\n  auth:\n", "stop_grace_period: "),
            seconds(pod, "spec:", "terminationGracePeriodSeconds: "),
        ] {
            // Two seconds of margin: deadlines are checked once a second.
            assert!(given >= ALL_OF_IT + Duration::from_secs(2), "{given:?}");
        }
    }
}
