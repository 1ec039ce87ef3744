//! Event relay: one worker per destination, so that a slow destination does not delay the others.

use std::{sync::Arc, time::Duration};

use authentication_app::{
    events::{Events, Handed, Outcome, Pace, Relay},
    ports::{LeasedEvent, Meter, StoreError},
};
use tokio::{
    sync::{RwLock, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};
use tracing::Instrument as _;

use super::{Stop, Workers};

/// The most events in flight to one destination, each of a different account.
const AT_ONCE: u32 = 32;
/// Events within this time are leased together and recorded together. One by one, they would cost the database more
/// than the sign-ins that they report.
const TOGETHER: Duration = Duration::from_millis(25);
/// How often a node announces that it serves a destination.
const ANNOUNCE_EVERY: Duration = Duration::from_mins(5);

/// Matches the usual scrape interval of metrics.
const MEASURE_EVERY: Duration = Duration::from_secs(15);

/// Events that were taken from the queue and whose outcome is not recorded yet.
#[derive(Default)]
struct UnderWay {
    deliveries: JoinSet<Result<Handed, StoreError>>,
    through: Vec<(Box<LeasedEvent>, Outcome)>,
}

impl Workers {
    /// Relays events to one destination: events of this node as they are committed, and every `poll` those of other
    /// nodes and those that are due for a retry.
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
    /// Updates the metrics of the event backlog periodically.
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
        let (mut under_way, mut pace) = (UnderWay::default(), Pace::default());
        let ended = self.relay_until_stopped(&mut under_way, &mut pace).await;
        // The outcome of sent events is recorded, so that they are not sent again.
        while let Some(done) = under_way.deliveries.join_next().await {
            under_way.take_in(done, &mut pace);
        }
        self.finish(&mut under_way, &mut pace).await;
        ended
    }

    async fn relay_until_stopped(
        &mut self,
        under_way: &mut UnderWay,
        pace: &mut Pace,
    ) -> Result<(), StoreError> {
        self.announce().await?;
        let mut announced = Instant::now();
        while !self.stop.is_requested() {
            if announced.elapsed() > ANNOUNCE_EVERY {
                self.announce().await?;
                announced = Instant::now();
            }
            let together = Instant::now() + TOGETHER;
            self.committed.mark_unchanged();
            let running = u32::try_from(under_way.deliveries.len()).unwrap_or(u32::MAX);
            let room = pace.room(running, AT_ONCE);
            let took_all = room > 0 && self.take(room, under_way).await? == room;
            // A full batch means that more events may wait, so only a partial one leaves time to wait.
            let wait = if took_all { Duration::ZERO } else { self.poll };
            self.wait(wait, under_way, pace).await;
            // With a full batch, many deliveries end together without waiting for it.
            if room > 0 && !took_all {
                tokio::select! {
                    () = self.stop.requested() => {}
                    () = sleep_until(together) => {}
                }
            }
            while let Some(done) = under_way.deliveries.try_join_next() {
                under_way.take_in(done, pace);
            }
            self.finish(under_way, pace).await;
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

    /// Leases at most `room` events, and starts the delivery of each.
    async fn take(&self, room: u32, under_way: &mut UnderWay) -> Result<u32, StoreError> {
        let turn = Arc::new(Arc::clone(&self.gate).read_owned().await);
        let leased = self.relay.lease(room).await?;
        let taken = u32::try_from(leased.len()).unwrap_or(u32::MAX);
        for event in leased {
            let (relay, turn) = (self.relay.clone(), Arc::clone(&turn));
            let delivery = async move {
                let _turn = turn;
                relay.deliver(event).await
            };
            under_way.deliveries.spawn(delivery.in_current_span());
        }
        Ok(taken)
    }

    /// Waits until a delivery ends, a new event may be there, or `longest` has passed.
    async fn wait(&mut self, longest: Duration, under_way: &mut UnderWay, pace: &mut Pace) {
        tokio::select! {
            () = self.stop.requested() => {}
            Some(done) = under_way.deliveries.join_next() => under_way.take_in(done, pace),
            // An error means that the store is closed; the next call to the store reports it.
            Ok(()) = self.committed.changed() => {}
            () = sleep(longest) => {}
        }
    }

    /// Records completed deliveries. An outcome that cannot be recorded is retried when its lease expires.
    async fn finish(&self, under_way: &mut UnderWay, pace: &mut Pace) {
        let through = std::mem::take(&mut under_way.through);
        if through.is_empty() {
            return;
        }
        let _turn = self.gate.read().await;
        match self.relay.finish(&through).await {
            Ok(outcomes) => outcomes.into_iter().for_each(|outcome| pace.note(outcome)),
            Err(error) => tell_not_written(&error),
        }
    }
}

impl UnderWay {
    fn take_in(&mut self, done: Result<Result<Handed, StoreError>, JoinError>, pace: &mut Pace) {
        match done {
            Ok(Ok(Handed::Settled(outcome))) => pace.note(outcome),
            Ok(Ok(Handed::Through(leased, outcome))) => self.through.push((leased, outcome)),
            Ok(Err(error)) => tell_not_written(&error),
            Err(_) => tracing::error!("a delivery panicked"),
        }
    }
}

fn tell_not_written(error: &StoreError) {
    tracing::warn!(%error, "what became of events could not be written; their leases end by themselves");
}
