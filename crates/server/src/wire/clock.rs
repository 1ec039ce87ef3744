//! The clock of the service, and who keeps it (ADR 0045).

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

/// How often a node looks at the time that all share: a clock that went back, and a machine that stood still, are
/// noticed within that.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it looks whether the machine's own clocks disagree, which costs nothing: one of them was set, or the machine
/// slept.
const DOUBT_EVERY: Duration = Duration::from_millis(250);

/// The clock that everything asks: a test's, or one that follows the time that nodes share.
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

    /// How the machine's clock is; none of a test's.
    pub(super) fn of_the_machine(&self) -> Option<Arc<ClockFigures>> {
        let figures = Arc::clone(&self.figures);
        self.followed.as_ref().map(|_| figures)
    }

    /// Looks once, before anything is served, and then every few seconds.
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

/// Forgets what this node remembers of sessions whenever an operator ended some, whether or not Redis told it so.
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

/// The time that the service goes by, for a command: what nodes share, whatever the clock of the operator's machine says.
/// With an embedded store nodes go by the machine's clock; a command's time is no earlier than what they have noted.
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
            // Nothing is judged meanwhile, and it is looked at in the moment that the store is back.
            Ok(()) | Err(StoreError::Unavailable(_) | StoreError::Retryable) => {}
            Err(error) => return Err(error),
        }
    }
}
