//! Relaying events: one worker for each destination, so that none waits for another.

use std::{sync::Arc, time::Duration};

use authentication_app::{
    events::{Events, Outcome, Pace, Relay},
    ports::{Meter, StoreError},
};
use tokio::{
    sync::{RwLock, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};
use tracing::Instrument as _;

use super::{Stop, Workers};

/// Events that are on their way to one destination at a time, each of another account.
const AT_ONCE: u32 = 32;
/// How often a node says that it serves a destination.
const ANNOUNCE_EVERY: Duration = Duration::from_mins(5);

/// Often enough for whoever collects metrics.
const MEASURE_EVERY: Duration = Duration::from_secs(15);

type UnderWay = JoinSet<Result<Outcome, StoreError>>;

impl Workers {
    /// Relays events to one destination: as they are committed on this node, and every `poll` those of others
    /// and those that are due again.
    pub(crate) fn relay_events(
        &mut self,
        relay: Relay,
        committed: watch::Receiver<()>,
        poll: Duration,
    ) {
        let gate = self.gate();
        self.supervise("events", move |stop| {
            let work = RelayWork {
                relay: relay.clone(),
                committed: committed.clone(),
                poll,
                gate: Arc::clone(&gate),
                stop,
            };
            work.run()
        });
    }
}

impl Workers {
    /// Tells the meter how events stand, now and then.
    pub(crate) fn watch_events(&mut self, events: Events, meter: Arc<dyn Meter>) {
        let gate = self.gate();
        self.supervise("event metrics", move |mut stop| {
            let (events, meter, gate) = (events.clone(), Arc::clone(&meter), Arc::clone(&gate));
            async move {
                loop {
                    let turn = gate.read().await;
                    events.measure(meter.as_ref()).await?;
                    drop(turn);
                    tokio::select! {
                        () = stop.requested() => return Ok(()),
                        () = sleep(MEASURE_EVERY) => {}
                    }
                }
            }
        });
    }
}

struct RelayWork {
    relay: Relay,
    committed: watch::Receiver<()>,
    poll: Duration,
    gate: Arc<RwLock<()>>,
    stop: Stop,
}

impl RelayWork {
    async fn run(mut self) -> Result<(), StoreError> {
        let mut under_way = UnderWay::new();
        let ended = self.relay_until_stopped(&mut under_way).await;
        // What was sent is written down, so that it is not sent again.
        while let Some(done) = under_way.join_next().await {
            outcome_of(done);
        }
        ended
    }

    async fn relay_until_stopped(&mut self, under_way: &mut UnderWay) -> Result<(), StoreError> {
        self.announce().await?;
        let mut announced = Instant::now();
        let mut pace = Pace::default();
        while !self.stop.is_requested() {
            if announced.elapsed() > ANNOUNCE_EVERY {
                self.announce().await?;
                announced = Instant::now();
            }
            self.committed.mark_unchanged();
            let running = u32::try_from(under_way.len()).unwrap_or(u32::MAX);
            let room = pace.room(running, AT_ONCE);
            let took_all = room > 0 && self.take(room, under_way).await? == room;
            // There may be more, and room for it: only when nothing ended meanwhile is there time to wait.
            let wait = if took_all { Duration::ZERO } else { self.poll };
            self.wait(wait, under_way, &mut pace).await;
            if let Some(rest) = pace.rest() {
                tokio::select! {
                    () = self.stop.requested() => {}
                    () = sleep(rest.unsigned_abs()) => {}
                }
            }
        }
        Ok(())
    }

    async fn announce(&self) -> Result<(), StoreError> {
        let _turn = self.gate.read().await;
        self.relay.announce().await
    }

    /// Takes so many events at the most, and sends each on its way.
    async fn take(&self, room: u32, under_way: &mut UnderWay) -> Result<u32, StoreError> {
        let turn = Arc::new(Arc::clone(&self.gate).read_owned().await);
        let leased = self.relay.lease(room).await?;
        let taken = u32::try_from(leased.len()).unwrap_or(u32::MAX);
        for event in leased {
            let (relay, turn) = (self.relay.clone(), Arc::clone(&turn));
            let delivery = async move {
                let _turn = turn;
                relay.deliver(&event).await
            };
            under_way.spawn(delivery.in_current_span());
        }
        Ok(taken)
    }

    /// Until an event is done, or there may be another one.
    async fn wait(&mut self, longest: Duration, under_way: &mut UnderWay, pace: &mut Pace) {
        tokio::select! {
            () = self.stop.requested() => {}
            Some(done) = under_way.join_next() => {
                note(done, pace);
                while let Some(done) = under_way.try_join_next() {
                    note(done, pace);
                }
            }
            // An error says that the store is gone, which whoever asks it next will say as well.
            Ok(()) = self.committed.changed() => {}
            () = sleep(longest) => {}
        }
    }
}

fn note(done: Result<Result<Outcome, StoreError>, JoinError>, pace: &mut Pace) {
    if let Some(outcome) = outcome_of(done) {
        pace.note(outcome);
    }
}

/// What could not be written down is found again when its lease has ended.
fn outcome_of(done: Result<Result<Outcome, StoreError>, JoinError>) -> Option<Outcome> {
    match done {
        Ok(Ok(outcome)) => Some(outcome),
        Ok(Err(error)) => {
            tracing::warn!(%error, "what became of an event could not be written");
            None
        }
        Err(_) => {
            tracing::error!("a delivery panicked");
            None
        }
    }
}
