//! Waiting for what follows by itself.

use std::time::{Duration, Instant};

use common::Clock as _;
use testkit::Engine;
use tokio::time::{sleep, timeout};

use super::TestApp;

/// Longest that a fact which follows by itself (a message, a broadcast) is waited for, one look at it, and an
/// answer of the service. Each of the others is shorter, so that what hangs is given up from within.
pub(super) const OF_THE_TEST: Duration = Duration::from_mins(1);
/// Longest that the service may take for an answer.
pub(super) const OF_THE_SERVICE: Duration = Duration::from_secs(50);
/// Longest that a connection may take, and again a statement.
pub(super) const OF_THE_STORE: Duration = Duration::from_secs(20);

/// Between two looks: what is waited for has to be done by somebody on this machine.
const PAUSE: Duration = Duration::from_millis(10);

impl TestApp {
    /// Waits for a fact that follows by itself.
    pub(crate) async fn until(&self, fact: &str, holds: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        loop {
            // Before the look: what came while the whole machine stood still is seen.
            let is_last = begun.elapsed() >= OF_THE_TEST;
            let looked = timeout(OF_THE_TEST, holds()).await;
            if looked == Ok(true) {
                return;
            }
            if is_last || looked.is_err() {
                let how = looked.map_or("a look did not end", |_| "waited in vain");
                panic!("{how}: {fact}\n{}", self.state_of_the_queue().await);
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits until the worker has nothing left to send now. A summary that gathers until later is for later.
    pub(crate) async fn settle_messages(&self) {
        self.until("the queue of messages is empty", async || {
            self.messages_to_be_sent().await == 0
        })
        .await;
    }

    async fn messages_to_be_sent(&self) -> i64 {
        let now = common::clock::to_micros(self.stores.clock.now());
        self.count(&format!(
            "outbox_messages WHERE coalesce(gathers_until, 0) <= {now}"
        ))
        .await
    }

    /// Sends everything that is queued, then keeps the workers from doing anything while the guard is
    /// held: what is counted meanwhile was done for requests.
    pub(crate) async fn quiet(&self) -> impl Drop {
        loop {
            self.settle_messages().await;
            let guard = self.pause_workers().await;
            if self.messages_to_be_sent().await == 0 {
                return guard;
            }
        }
    }

    /// Keeps the workers of this node from beginning anything while the guard is held.
    pub(crate) async fn pause_workers(&self) -> impl Drop {
        let paused = timeout(OF_THE_TEST, self.inner.application.pause_workers()).await;
        paused.expect("every worker ends its round")
    }

    /// Where each message stands, and what the database does: of a message that does not arrive it tells who
    /// has it.
    async fn state_of_the_queue(&self) -> String {
        const MESSAGES: &str = "SELECT kind || ': ' || attempts || ' attempts, due ' \
             || coalesce(CAST(next_attempt_at AS text), 'never') \
             || CASE WHEN lease_id IS NULL THEN '' ELSE ', held' END \
             || CASE WHEN handed_over_at IS NULL THEN '' ELSE ', handed over' END \
             || coalesce(', parked: ' || parked_reason, '') \
             FROM outbox_messages ORDER BY created_at, id";
        const SESSIONS: &str = "SELECT coalesce(state, '?') || ' ' || coalesce(wait_event, '-') \
             || ' ' || left(query, 100) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid()";
        let mut told = vec![format!(
            "now {}, in the queue:",
            common::clock::to_micros(self.stores.clock.now())
        )];
        let looked = timeout(OF_THE_TEST, async {
            told.extend(self.texts(MESSAGES).await);
            if self.stores.engine == Engine::Production {
                told.push("connections:".to_owned());
                told.extend(self.texts(SESSIONS).await);
            }
        });
        if looked.await.is_err() {
            told.push("(the database does not answer)".to_owned());
        }
        told.join("\n")
    }
}
