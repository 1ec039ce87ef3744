//! Watches whether the server is available, so that callers do not wait for one that is not: a circuit breaker.
//!
//! ```text
//!               a connection broke, or a statement is unanswered for a second,
//!               and the probe is not answered
//!   Serving ───────────────────────────────────────▶ Away: calls fail at once,
//!      ▲                                              │    pending ones are given up
//!      └───── a probe is answered: a new pool ◀───────┘    a probe after each pause
//! ```
//!
//! A probe opens a separate connection to each server that the URL names, and determines which one to use. It
//! distinguishes a server that is gone, frozen or starting from one that is slow or has no free connection: for the
//! latter, callers wait up to their time limit. If it finds another server than before, the pool is replaced by one
//! that leads there.
//!
//! The driver pings each returned connection and waits for the answer without a time limit, so a pool whose server went
//! silent may never have a free connection again. That is why the whole pool is replaced: what still hangs in the old
//! one ends when the operating system closes the socket.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use authentication_app::ports::Outage;
use sea_orm::DatabaseConnection;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    Line,
    servers::{Missing, Seen, Servers, Spot},
};

/// Pauses between probes of an unavailable server: an exponential back-off with a jitter of up to half, so that nodes
/// that lost the same server do not return to it at the same time. The longest pause also bounds how long a recovered
/// server stays unused.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A server that answered a probe is not probed again for this long.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Time limit for closing the connections of a replaced pool.
const GOOD_BYE: Duration = Duration::from_secs(5);

/// How to reach the servers, and how long to wait for them.
pub(super) struct Reach {
    pub(super) servers: Arc<Servers>,
    pub(super) patience: Duration,
    pub(super) doubt: Arc<Doubt>,
}

/// When a connection last broke. Those that were idle then may be broken too, and are pinged before use.
#[derive(Default)]
pub(super) struct Doubt(Mutex<Option<Instant>>);

impl Doubt {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Time since the last breakage.
    pub(super) fn age(&self) -> Option<Duration> {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.map(|at| at.elapsed())
    }
}

type Open = Box<dyn Fn(Spot) -> DatabaseConnection + Send + Sync>;

/// The pool of a server that may become unavailable, and the server's state.
pub(super) struct Watch {
    reach: Reach,
    open: Open,
    current: RwLock<Line>,
    away: watch::Sender<bool>,
    closed: AtomicBool,
    probing: AtomicBool,
    /// Why the last probe was refused, if it was.
    refusal: Mutex<Option<Outage>>,
    answered_at: Mutex<Option<Instant>>,
}

impl Watch {
    /// `open` creates a pool that connects lazily; the first one leads to `spot`.
    pub(super) fn over(reach: Reach, spot: Spot, open: Open) -> Arc<Self> {
        let first = Line {
            number: 0,
            connection: open(spot),
            spot: Some(spot),
        };
        Arc::new(Self {
            reach,
            open,
            current: RwLock::new(first),
            away: watch::Sender::new(false),
            closed: AtomicBool::new(false),
            probing: AtomicBool::new(false),
            refusal: Mutex::new(None),
            answered_at: Mutex::new(None),
        })
    }

    /// The current pool, even if its server is unavailable.
    pub(super) fn current(&self) -> Line {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Completes when the server is found unavailable; at once if it already is.
    pub(super) async fn is_found_away(&self) {
        // We own the sender, so this cannot fail.
        let _ = self.away.subscribe().wait_for(|away| *away).await;
    }

    /// Reports that a connection broke.
    pub(super) fn broke(self: &Arc<Self>) {
        self.reach.doubt.raise();
        self.forget_the_last_answer();
        self.suspect();
    }

    /// Reports that a connection of pool `number` never answered: the pool is replaced, with all that hangs in it.
    pub(super) fn fell_silent(self: &Arc<Self>, number: u64) {
        self.replace(number, None);
        self.forget_the_last_answer();
        self.suspect();
    }

    /// Reports that the connected server no longer takes writes: new connections may find its successor, under the same
    /// name or at another address.
    pub(super) fn was_demoted(self: &Arc<Self>) {
        if !self.answered_lately() {
            if !self.reach.servers.are_several() {
                self.replace(self.current().number, None);
            }
            self.suspect();
        }
    }

    /// Reports that a prepared statement is missing: a pooler is in between, and sessions are no longer ours.
    pub(super) fn lost_its_session(self: &Arc<Self>) {
        if let Some(spot) = self.current().spot {
            self.reach.servers.note_pooled(spot.server);
        }
        self.forget_the_last_answer();
        self.suspect();
    }

    pub(super) const fn servers(&self) -> &Arc<Servers> {
        &self.reach.servers
    }

    /// Probes the server in the background, unless it was just probed or is being probed.
    pub(super) fn suspect(self: &Arc<Self>) {
        if self.answered_lately() || self.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let watch = Arc::clone(self);
        tokio::spawn(async move {
            // The guard also clears the flag if the task panics or is dropped with its runtime.
            Probing(watch).until_answered().await;
        });
    }

    /// Whether the server is reachable, probed now.
    pub(super) async fn answers(&self, patience: Duration) -> bool {
        let server = self.current().spot.map_or(0, |spot| spot.server);
        !self.is_away() && !self.is_closed() && self.reach.servers.answers(server, patience).await
    }

    /// Why the last probe was refused, if it was.
    pub(super) fn refusal(&self) -> Option<Outage> {
        *self.lock_refusal()
    }

    /// Logs a refusal once per reason.
    fn note_refusal(&self, why: Option<Outage>) {
        let before = std::mem::replace(&mut *self.lock_refusal(), why);
        if why == before {
            return;
        }
        if let Some(cause) = why {
            tracing::warn!(%cause, "PostgreSQL lets no new connection in");
        } else if !self.is_away() {
            tracing::info!("PostgreSQL lets connections in again");
        }
    }

    fn note_away(&self, missing: &Missing) {
        let cause = missing.outage();
        *self.lock_refusal() = Some(cause);
        if self.away.send_replace(true) {
            return;
        }
        if matches!(missing, Missing::Unsuited) {
            tracing::error!(
                "no PostgreSQL of database.url is what target_session_attrs asks for: requests are refused \
                 until there is one"
            );
        } else {
            tracing::error!(
                %cause,
                "PostgreSQL cannot be reached: requests are refused until it is back"
            );
        }
    }

    /// Records an answer; `None` is that of a server that refuses us.
    fn note_answer(&self, seen: Option<Seen>) {
        *self.lock_answered() = Some(Instant::now());
        let (was_away, line) = (self.is_away(), self.current());
        let spot = seen.map(|seen| seen.spot);
        let has_moved = spot.is_some() && spot != line.spot;
        if was_away || has_moved {
            self.replace(line.number, spot);
        }
        if has_moved && self.reach.servers.are_several() {
            tracing::info!("connections lead to another PostgreSQL of database.url from here on");
        }
        if was_away {
            self.away.send_replace(false);
            tracing::info!("PostgreSQL is back");
        }
    }

    /// Closes the pool permanently.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Closing a pool cannot fail, and a failure would only precede the end of the process.
        let _ = self.current().connection.close_by_ref().await;
    }

    /// Replaces pool `number`, if it is still the current one. The new pool leads to `spot`, or to the same place as
    /// before if there is none.
    fn replace(&self, number: u64, spot: Option<Spot>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.number != number || self.is_closed() {
            return;
        }
        let Some(spot) = spot.or(current.spot) else {
            return;
        };
        let next = Line {
            number: number + 1,
            connection: (self.open)(spot),
            spot: Some(spot),
        };
        let old = std::mem::replace(&mut *current, next);
        drop(current);
        tokio::spawn(async move { timeout(GOOD_BYE, old.connection.close_by_ref()).await });
    }

    fn answered_lately(&self) -> bool {
        self.lock_answered()
            .is_some_and(|at| at.elapsed() < TRUSTED_FOR)
    }

    fn forget_the_last_answer(&self) {
        *self.lock_answered() = None;
    }

    fn lock_refusal(&self) -> MutexGuard<'_, Option<Outage>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_answered(&self) -> MutexGuard<'_, Option<Instant>> {
        self.answered_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to probe: only one task holds it at a time.
struct Probing(Arc<Watch>);

impl Probing {
    async fn until_answered(&self) {
        let watch = &self.0;
        let mut pause = FIRST_PAUSE;
        loop {
            match watch.reach.servers.find(watch.reach.patience).await {
                Ok(seen) => {
                    watch.note_refusal(None);
                    return watch.note_answer(Some(seen));
                }
                Err(refused @ Missing::Refused(_)) => {
                    watch.note_refusal(Some(refused.outage()));
                    return watch.note_answer(None);
                }
                Err(missing) => {
                    let nobody_asks = Arc::strong_count(watch) == 1;
                    if nobody_asks || watch.is_closed() {
                        return;
                    }
                    watch.note_away(&missing);
                }
            }
            sleep(halved_at_random(pause)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.probing.store(false, Ordering::Release);
    }
}

fn halved_at_random(pause: Duration) -> Duration {
    // Jitter, which protects nothing: the random keys of the hasher are random enough.
    let share = u32::try_from(RandomState::new().hash_one(0) % 1_000).unwrap_or(0);
    pause / 2 + pause / 2 * share / 1_000
}
