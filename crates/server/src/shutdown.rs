//! When the process is asked to end, and how long that may take.

use std::{io, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// From being asked to end until requests under way are given up. The wait for balancers is part of it.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);
/// How long the workers may take after that.
pub(crate) const WORKERS_END: Duration = Duration::from_secs(3);
/// How long the store may take after them.
pub(crate) const STORE_END: Duration = Duration::from_secs(2);
/// How long the last traces, metrics and reports may take together, in the end.
pub(crate) const EXPORTS_END: Duration = Duration::from_secs(5);

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
        let most = DRAIN + WORKERS_END + STORE_END + EXPORTS_END;
        let unit = include_str!("../../../deploy/fashionistar-auth.service");
        let compose = include_str!("../../../deploy/compose.yaml");
        let page = include_str!("../../../docs/deployment.md");
        for given in [
            seconds(unit, "[Service]", "TimeoutStopSec="),
            seconds(compose, "\n  auth:\n", "stop_grace_period: "),
            seconds(page, "Kubernetes", "terminationGracePeriodSeconds: "),
        ] {
            // What is cut off is looked at once a second.
            assert!(given >= most + Duration::from_secs(2), "{given:?}");
        }
    }
}
