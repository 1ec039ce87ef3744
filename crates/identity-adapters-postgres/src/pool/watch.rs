//! Whether the server is there, so that nobody waits for one that is not.
//!
//! ```text
//!               a connection broke, or a statement is unanswered for a second:
//!               a probe, which is not answered
//!   Serving ───────────────────────────────────────▶ Away: calls fail at once,
//!      ▲                                              │    those under way give up
//!      └───── a probe is answered: a new pool ◀───────┘    a probe after each pause
//! ```
//!
//! A probe opens a connection of its own and asks for a 1. It tells a server that is gone, frozen or starting
//! from one that is there and slow, or whose connections are all in use: of those, callers wait their time.
//!
//! The driver asks each connection that is handed back whether it is well, and waits for the answer without
//! end; so a pool whose server fell silent may never have a free connection again. That is why it is
//! replaced as a whole: what still hangs in the old one ends when the operating system gives the socket up.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::DatabaseConnection;
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, error::DatabaseError,
    postgres::PgConnectOptions,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::Line;

/// Pauses between probes of a server that is away: doubled each time, and a random half taken off, so that
/// nodes that lost the same server do not return to it in step. The longest is also the longest that a
/// server which is back stays unused.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A server that answered a probe is not asked again for so long.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long connections of a pool that was replaced may take to say good-bye.
const GOOD_BYE: Duration = Duration::from_secs(5);

/// How to reach the server, and how long to wait for it.
pub(super) struct Server {
    pub(super) options: PgConnectOptions,
    pub(super) patience: Duration,
    pub(super) doubt: Arc<Doubt>,
}

impl Server {
    /// Whether it answers on a connection of its own.
    async fn answers(&self, patience: Duration) -> bool {
        let asked = async {
            let mut connection = self.options.connect().await?;
            connection.execute("SELECT 1").await?;
            // It answered, however it takes the good-bye.
            let _ = connection.close().await;
            Ok::<_, sqlx::Error>(())
        };
        match timeout(patience, asked).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => is_there_and_refuses(&error),
            Err(_) => false,
        }
    }
}

/// No connection is left, or it does not like us: who has a connection is served.
fn is_there_and_refuses(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == "53300" || code.starts_with("28"))
}

/// When a connection broke last: those that were idle then may be broken too, and are asked before use.
#[derive(Default)]
pub(super) struct Doubt(Mutex<Option<Instant>>);

impl Doubt {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// How long ago.
    pub(super) fn age(&self) -> Option<Duration> {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.map(|at| at.elapsed())
    }
}

type Open = Box<dyn Fn() -> DatabaseConnection + Send + Sync>;

/// The pool of a server that may go away, and what is known of that.
pub(super) struct Watch {
    server: Server,
    open: Open,
    current: RwLock<Line>,
    away: watch::Sender<bool>,
    closed: AtomicBool,
    probing: AtomicBool,
    answered_at: Mutex<Option<Instant>>,
}

impl Watch {
    /// `open` makes a pool that connects when it is used.
    pub(super) fn over(server: Server, open: Open) -> Arc<Self> {
        let first = Line {
            number: 0,
            connection: open(),
        };
        Arc::new(Self {
            server,
            open,
            current: RwLock::new(first),
            away: watch::Sender::new(false),
            closed: AtomicBool::new(false),
            probing: AtomicBool::new(false),
            answered_at: Mutex::new(None),
        })
    }

    /// The pool, also of a server that is away.
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

    /// Completes when the server is found to be away, at once if it is.
    pub(super) async fn is_found_away(&self) {
        // The sender is ours, so there is no error.
        let _ = self.away.subscribe().wait_for(|away| *away).await;
    }

    /// A connection broke.
    pub(super) fn broke(self: &Arc<Self>) {
        self.server.doubt.raise();
        self.forget_the_last_answer();
        self.suspect();
    }

    /// A connection of pool `number` never answered: it, and whatever else hangs there, is left behind.
    pub(super) fn fell_silent(self: &Arc<Self>, number: u64) {
        self.replace(number);
        self.forget_the_last_answer();
        self.suspect();
    }

    /// The server that the connections lead to takes no writes any more: new ones may find its successor.
    pub(super) fn was_demoted(self: &Arc<Self>) {
        if !self.answered_lately() {
            self.replace(self.current().number);
            self.suspect();
        }
    }

    /// Finds out in the background how the server is, unless that was just done or is being done.
    pub(super) fn suspect(self: &Arc<Self>) {
        if self.answered_lately() || self.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let watch = Arc::clone(self);
        tokio::spawn(async move {
            // Also when the task is dropped with its runtime, or panics.
            Probing(watch).until_answered().await;
        });
    }

    /// Whether the server itself is there, asked now.
    pub(super) async fn answers(&self, patience: Duration) -> bool {
        !self.is_away() && !self.is_closed() && self.server.answers(patience).await
    }

    fn note_away(&self) {
        if !self.away.send_replace(true) {
            tracing::error!("PostgreSQL cannot be reached: requests are refused until it is back");
        }
    }

    fn note_answer(&self) {
        *self.lock_answered() = Some(Instant::now());
        if self.is_away() {
            self.replace(self.current().number);
            self.away.send_replace(false);
            tracing::info!("PostgreSQL is back");
        }
    }

    /// Closes the pool, for good.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Closing a pool cannot fail; what follows a failure would be the end of the process anyway.
        let _ = self.current().connection.close_by_ref().await;
    }

    /// Puts a new pool in the place of pool `number`, if it is still the current one.
    fn replace(&self, number: u64) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.number != number || self.is_closed() {
            return;
        }
        let next = Line {
            number: number + 1,
            connection: (self.open)(),
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

    fn lock_answered(&self) -> MutexGuard<'_, Option<Instant>> {
        self.answered_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever holds it probes.
struct Probing(Arc<Watch>);

impl Probing {
    async fn until_answered(&self) {
        let watch = &self.0;
        let mut pause = FIRST_PAUSE;
        while !watch.server.answers(watch.server.patience).await {
            let nobody_asks = Arc::strong_count(watch) == 1;
            if nobody_asks || watch.is_closed() {
                return;
            }
            watch.note_away();
            sleep(halved_at_random(pause)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        watch.note_answer();
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.probing.store(false, Ordering::Release);
    }
}

fn halved_at_random(pause: Duration) -> Duration {
    // Spreads, and protects nothing: the hasher's random keys are random enough.
    let share = u32::try_from(RandomState::new().hash_one(0) % 1_000).unwrap_or(0);
    pause / 2 + pause / 2 * share / 1_000
}
