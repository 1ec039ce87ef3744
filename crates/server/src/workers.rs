//! The tasks behind the requests: sending messages, relaying events, and upkeep.
//!
//! A worker is a loop that ends when it is asked to. One that fails, or panics, is started again after a
//! pause that doubles from one second to a minute, so that a store that is away for an hour costs a few
//! lines in the log and nothing else.

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

/// How often upkeep runs, give or take a fifth, so that nodes that started together do not work together.
const UPKEEP_EVERY: Duration = Duration::from_mins(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Tells a worker to end. Clones hear the same.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Completes when it is time to end, at once if it was before.
    pub(crate) async fn requested(&mut self) {
        // An error says that whoever could ask is gone.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether it is time to end.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// All workers of a service.
pub(crate) struct Workers {
    running: JoinSet<()>,
    stop: watch::Sender<bool>,
    /// Shared by all rounds, so that tests, who take it for themselves, can look on while nobody works.
    gate: Arc<RwLock<()>>,
    random: Arc<dyn SecureRandom>,
}

impl Workers {
    /// None yet.
    pub(crate) fn new(random: Arc<dyn SecureRandom>) -> Self {
        Self {
            running: JoinSet::new(),
            stop: watch::Sender::new(false),
            gate: Arc::default(),
            random,
        }
    }

    /// For tasks that end by themselves when asked to.
    pub(crate) fn stop_signal(&self) -> Stop {
        Stop(self.stop.subscribe())
    }

    /// Whoever holds it alone keeps all workers from beginning a round.
    pub(crate) fn gate(&self) -> Arc<RwLock<()>> {
        Arc::clone(&self.gate)
    }

    /// Runs a round of upkeep now and then, the first after a while: a start has better things to do.
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

    /// Takes in a task that ends with [`Self::stop_signal`] by itself.
    pub(crate) fn adopt(&mut self, name: &'static str, task: JoinHandle<()>) {
        self.running.spawn(async move {
            if task.await.is_err() {
                tracing::error!(worker = name, "a worker panicked");
            }
        });
    }

    /// Asks all to end, and waits until they have, for `grace` at the most.
    pub(crate) async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        let all = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("a worker did not end in time");
        }
    }

    /// Runs `work` until it ends by itself, again and again while it fails.
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
                // A task of its own, so that a panic ends the round and not the supervision.
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

/// Pauses after failures, each twice as long as the one before, up to a bound.
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

    /// The next one is short again.
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
    // From 0.8 to 1.2 times.
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
