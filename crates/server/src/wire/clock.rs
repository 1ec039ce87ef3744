//! The clock of the service, and the task that keeps it (ADR 0045).

use std::{sync::Arc, time::Duration};

use adapters_crypto::SystemTicks;
use authentication_app::{
    ports::{StoreError, Ticks, TimeStore as _},
    sessions::Liveness,
    timekeeping::{ClockFigures, ServiceClock, Timekeeping},
};
use common::Clock;
use identity_adapters_postgres::Store;
use tokio::time::{Instant, sleep};

use crate::workers::{Stop, Workers};

/// How often a node compares its clock with the shared time. A clock that was set back and a suspended machine are
/// noticed within this time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the node compares the machine's own clocks with each other, which is cheap: they disagree when one was
/// set, or when the machine was suspended.
const DOUBT_EVERY: Duration = Duration::from_millis(250);

/// The clock of all components: a test clock, or one that follows the time that nodes share.
pub(super) struct Clocks {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) figures: Arc<ClockFigures>,
    followed: Option<Arc<ServiceClock>>,
}

impl Clocks {
    pub(super) fn new(of_a_test: Option<Arc<dyn Clock>>, ticks: Option<Box<dyn Ticks>>) -> Self {
        let figures = Arc::default();
        if let Some(clock) = of_a_test {
            return Self {
                clock,
                figures,
                followed: None,
            };
        }
        let clock = Arc::new(ServiceClock::new(
            ticks.unwrap_or_else(|| Box::new(SystemTicks::new())),
        ));
        Self {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            figures,
            followed: Some(clock),
        }
    }

    /// The figures of the machine's clock; none with a test clock.
    pub(super) fn of_the_machine(&self) -> Option<Arc<ClockFigures>> {
        let figures = Arc::clone(&self.figures);
        self.followed.as_ref().map(|_| figures)
    }

    /// Compares the clock once before anything is served, and then periodically.
    pub(super) async fn keep(
        &self,
        store: &Arc<Store>,
        workers: &mut Workers,
    ) -> Result<(), StoreError> {
        let Some(clock) = self.followed.clone() else {
            return Ok(());
        };
        store.goes_by(Arc::clone(&clock));
        let keeping = Timekeeping::new(clock, store.clone(), Arc::clone(&self.figures));
        let keeping = Arc::new(keeping);
        keeping.look().await?;
        workers.supervise("clock", move |stop| watch(Arc::clone(&keeping), stop));
        Ok(())
    }
}

/// Clears this node's session caches whenever an operator revoked sessions, even if the broadcast over Redis was
/// lost.
pub(super) fn hear_of_revocations(
    figures: &ClockFigures,
    liveness: &Liveness,
    workers: &mut Workers,
) {
    let revocations = figures.revocations();
    let liveness = liveness.clone();
    workers.supervise("hearing", move |mut stop| {
        let (mut revocations, liveness) = (revocations.clone(), liveness.clone());
        async move {
            loop {
                tokio::select! {
                    () = stop.requested() => return Ok(()),
                    changed = revocations.changed() => if changed.is_err() { return Ok(()) },
                }
                liveness.forget().await;
            }
        }
    });
}

/// The clock for a command: it follows the time that nodes share, regardless of the clock of the operator's
/// machine. With an embedded store, nodes use the clock of their machine; the time of a command is then not earlier
/// than the time they last recorded.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn of_a_command(store: &Store) -> Result<Arc<dyn Clock>, StoreError> {
    let clock = ServiceClock::new(Box::new(SystemTicks::new()));
    let seen = store.shared_time().await?;
    let shared = seen.now.map(|now| now + seen.round_trip / 2);
    let now = shared.unwrap_or_else(|| clock.wall().max(seen.latest));
    clock.set(now);
    let ahead = clock.wall() - now;
    if ahead.abs() > ClockFigures::WRONG {
        let seconds = ahead.as_seconds_f64();
        tracing::warn!(
            seconds,
            "the clock of this machine is not the time of the service, which is used instead"
        );
    }
    Ok(Arc::new(clock))
}

async fn watch(keeping: Arc<Timekeeping>, mut stop: Stop) -> Result<(), StoreError> {
    loop {
        let looked = Instant::now();
        loop {
            tokio::select! {
                () = stop.requested() => return Ok(()),
                () = keeping.doubted() => break,
                () = sleep(DOUBT_EVERY) => {}
            }
            if looked.elapsed() >= LOOK_EVERY || keeping.is_in_doubt() {
                break;
            }
        }
        match keeping.look().await {
            // No request is judged in an outage, and the clock is compared again as soon as the store is back.
            Ok(()) | Err(StoreError::Unavailable(_) | StoreError::Retryable) => {}
            Err(error) => return Err(error),
        }
    }
}
