//! Relaying events: one worker for each destination, so that none waits for another.

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

/// Events that are on their way to one destination at a time, each of another account.
const AT_ONCE: u32 = 32;
/// What happens within this time is leased together, and written down together: one by one it would cost the
/// database more than the sign-ins that it tells of.
const TOGETHER: Duration = Duration::from_millis(25);
/// How often a node says that it serves a destination.
const ANNOUNCE_EVERY: Duration = Duration::from_mins(5);

/// Often enough for whoever collects metrics.
const MEASURE_EVERY: Duration = Duration::from_secs(15);

/// Events that left the queue and are not written down yet.
#[derive(Default)]
struct UnderWay {
    deliveries: JoinSet<Result<Handed, StoreError>>,
    through: Vec<(Box<LeasedEvent>, Outcome)>,
}

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
        let (mut under_way, mut pace) = (UnderWay::default(), Pace::default());
        let ended = self.relay_until_stopped(&mut under_way, &mut pace).await;
        // What was sent is written down, so that it is not sent again.
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
            // There may be more, and room for it: only when nothing ended meanwhile is there time to wait.
            let wait = if took_all { Duration::ZERO } else { self.poll };
            self.wait(wait, under_way, pace).await;
            // While more is waiting than may be under way, many end at once anyway.
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

    /// Takes so many events at the most, and sends each on its way.
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

    /// Until an event is done, or there may be another one.
    async fn wait(&mut self, longest: Duration, under_way: &mut UnderWay, pace: &mut Pace) {
        tokio::select! {
            () = self.stop.requested() => {}
            Some(done) = under_way.deliveries.join_next() => under_way.take_in(done, pace),
            // An error says that the store is gone, which whoever asks it next will say as well.
            Ok(()) = self.committed.changed() => {}
            () = sleep(longest) => {}
        }
    }

    /// Writes down what is through. What cannot be is found again when its lease has ended.
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
