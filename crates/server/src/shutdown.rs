//! When the process is asked to end, and how long that may take.

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

/// From being asked to end until requests under way are given up. The wait for balancers is part of it.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);
/// How long the workers may take after that.
pub(crate) const WORKERS_END: Duration = Duration::from_secs(3);
/// How long the store may take after them.
pub(crate) const STORE_END: Duration = Duration::from_secs(2);
/// How long the last traces, metrics and reports may take together, in the end.
pub(crate) const EXPORTS_END: Duration = Duration::from_secs(5);

/// How long the last lines of the log may take.
pub(crate) const LOG_END: Duration = Duration::from_secs(1);
/// Once it was asked to, the process ends within this time, whatever hangs.
const ALL_OF_IT: Duration = Duration::from_secs(
    DRAIN.as_secs()
        + WORKERS_END.as_secs()
        + STORE_END.as_secs()
        + EXPORTS_END.as_secs()
        + LOG_END.as_secs(),
);

/// SIGTERM, as orchestrators send it, and SIGINT, as Ctrl-C does.
#[derive(Debug)]
pub(crate) struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// From here on these signals end the process no more by themselves.
    ///
    /// # Errors
    /// [`io::Error`] when the operating system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first one; tells which.
    pub(crate) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Sees to it, on a thread of its own that waits for nothing else, that the process ends in time after it was asked
/// to.
///
/// # Errors
/// [`io::Error`] when there is no thread for it.
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
        // Not `exit`, which waits for what others have registered.
        let _ = kill_process(getpid(), rustix::process::Signal::KILL);
    };
    thread::Builder::new()
        .name("shutdown".to_owned())
        .spawn(watch)
        .map(drop)
}

/// Writes to standard error and does not wait for longer than for the end of a log: it may be a pipe that nobody
/// reads.
pub(crate) fn complain(text: String) {
    let (written, is_written) = std::sync::mpsc::channel();
    let write = move || {
        // When standard error is closed there is nobody to tell.
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

    /// Seconds after `mark` in what follows `after`.
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
            // What is cut off is looked at once a second.
            assert!(given >= ALL_OF_IT + Duration::from_secs(2), "{given:?}");
        }
    }
}
