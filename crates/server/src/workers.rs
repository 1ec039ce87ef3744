//! Background workers: message delivery, event relay and upkeep.
//!
//! A worker is a loop that ends on request. One that fails or panics is restarted after a back-off that doubles
//! from one second to one minute, so that an outage of the store for an hour costs only a few log lines.

mod events;
mod messages;

use std::{future::Future, sync::Arc, time::Duration};

use authentication_app::ports::StoreError;
use common::{SecureRandom, random};
use tokio::{
    sync::{RwLock, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};

/// How often upkeep runs, with a jitter of ±20 %, so that nodes that started together do not run it together.
const UPKEEP_EVERY: Duration = Duration::from_mins(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The signal for a worker to end. Clones receive the same signal.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Completes when the worker is to end; at once if that was requested before.
    pub(crate) async fn requested(&mut self) {
        // An error means that the sender is gone, which also ends the worker.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether the worker is to end.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// All workers of a service.
pub(crate) struct Workers {
    running: JoinSet<()>,
    stop: watch::Sender<bool>,
    /// Held for reading in every round. A test that holds it for writing pauses all workers.
    gate: Arc<RwLock<()>>,
    random: Arc<dyn SecureRandom>,
}

impl Workers {
    /// Without any worker yet.
    pub(crate) fn new(random: Arc<dyn SecureRandom>) -> Self {
        Self {
            running: JoinSet::new(),
            stop: watch::Sender::new(false),
            gate: Arc::default(),
            random,
        }
    }

    /// The signal for tasks that handle it themselves.
    pub(crate) fn stop_signal(&self) -> Stop {
        Stop(self.stop.subscribe())
    }

    /// While it is held for writing, no worker starts a round.
    pub(crate) fn gate(&self) -> Arc<RwLock<()>> {
        Arc::clone(&self.gate)
    }

    /// Runs upkeep periodically. The first round is delayed, because a starting node has more urgent work.
    pub(crate) fn keep_up<F>(&mut self, round: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let (random, gate, round) = (Arc::clone(&self.random), self.gate(), Arc::new(round));
        self.supervise("upkeep", move |mut stop| {
            let (random, gate) = (Arc::clone(&random), Arc::clone(&gate));
            let round = Arc::clone(&round);
            async move {
                loop {
                    tokio::select! {
                        () = stop.requested() => return Ok(()),
                        () = sleep(give_or_take_a_fifth(UPKEEP_EVERY, random.as_ref())) => {}
                    }
                    let _turn = gate.read().await;
                    round().await?;
                }
            }
        });
    }

    /// Supervises a task that reacts to [`Self::stop_signal`].
    pub(crate) fn adopt(&mut self, name: &'static str, task: JoinHandle<()>) {
        self.running.spawn(async move {
            if task.await.is_err() {
                tracing::error!(worker = name, "a worker panicked");
            }
        });
    }

    /// Requests all workers to end, and waits for them for at most `grace`.
    pub(crate) async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        let all = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("a worker did not end in time");
        }
    }

    /// Runs `work` until it returns `Ok`, and restarts it after a failure.
    pub(crate) fn supervise<F>(
        &mut self,
        name: &'static str,
        work: impl Fn(Stop) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        let mut stop = self.stop_signal();
        let mut pauses = Pauses::new(Arc::clone(&self.random));
        self.running.spawn(async move {
            while !stop.is_requested() {
                let began = Instant::now();
                // A separate task, so that a panic ends the round and not the supervision.
                match tokio::spawn(work(stop.clone())).await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => tracing::warn!(worker = name, %error, "a worker failed"),
                    Err(_) => tracing::error!(worker = name, "a worker panicked"),
                }
                if began.elapsed() > LONGEST_PAUSE {
                    pauses.begin_anew();
                }
                tokio::select! {
                    () = stop.requested() => return,
                    () = sleep(pauses.after_a_failure()) => {}
                }
            }
        });
    }
}

/// Back-off after failures: each pause is twice as long as the previous one, up to a bound.
struct Pauses {
    next: Duration,
    random: Arc<dyn SecureRandom>,
}

impl Pauses {
    fn new(random: Arc<dyn SecureRandom>) -> Self {
        Self {
            next: FIRST_PAUSE,
            random,
        }
    }

    /// Resets the back-off to the first pause.
    fn begin_anew(&mut self) {
        self.next = FIRST_PAUSE;
    }

    fn after_a_failure(&mut self) -> Duration {
        let pause = give_or_take_a_fifth(self.next, self.random.as_ref());
        self.next = LONGEST_PAUSE.min(self.next * 2);
        pause
    }
}

fn give_or_take_a_fifth(duration: Duration, random: &dyn SecureRandom) -> Duration {
    let share = u32::from(u16::from_be_bytes(random::bytes(random)));
    // Scales `duration` by a factor from 0.8 to 1.2.
    duration * 4 / 5 + duration * 2 / 5 * share / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use authentication_app::ports::Outage;
    use tokio::sync::Notify;

    use super::*;

    struct Fixed(u8);

    impl SecureRandom for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let second = Duration::from_secs(1);
        assert_eq!(
            give_or_take_a_fifth(second, &Fixed(0)),
            Duration::from_millis(800)
        );
        assert_eq!(
            give_or_take_a_fifth(second, &Fixed(0xff)),
            Duration::from_millis(1_200)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_fails_or_panics_is_started_again_and_one_that_is_stopped_is_not() {
        let mut workers = Workers::new(Arc::new(Fixed(0)));
        let starts = Arc::new(AtomicU32::new(0));
        let (count, settled) = (Arc::clone(&starts), Arc::new(Notify::new()));
        let tell = Arc::clone(&settled);
        workers.supervise("test", move |mut stop| {
            let (start, tell) = (count.fetch_add(1, Ordering::SeqCst), Arc::clone(&tell));
            async move {
                match start {
                    0 => Err(StoreError::Unavailable(Outage::Away)),
                    1 => panic!("a bug"),
                    _ => {
                        tell.notify_one();
                        stop.requested().await;
                        Ok(())
                    }
                }
            }
        });
        settled.notified().await;
        workers.stop(Duration::from_secs(5)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_waits_for_its_next_try_ends_at_once() {
        let mut workers = Workers::new(Arc::new(Fixed(0)));
        let failed = Arc::new(Notify::new());
        let tell = Arc::clone(&failed);
        workers.supervise("test", move |_| {
            tell.notify_one();
            async { Err(StoreError::Unavailable(Outage::Away)) }
        });
        failed.notified().await;
        let began = Instant::now();
        workers.stop(Duration::from_mins(1)).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
