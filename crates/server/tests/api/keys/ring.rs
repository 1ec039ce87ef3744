//! The ring of a node under test, changed in its file as the commands do.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use adapters_crypto::{KeyRing, KeyRingError, StageError, SystemRandom};
use authentication_app::ports::{KeySection, KeyState};
use testkit::Engine;
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::{app::TestApp, canaries::places};

/// How often a node of these tests looks at its ring.
const LOOK: Duration = Duration::from_millis(50);
/// Longest that rows are waited for.
const WORK: Duration = Duration::from_secs(100);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error(transparent)]
    Ring(#[from] KeyRingError),
    #[error(transparent)]
    Stage(#[from] StageError),
}

impl TestApp {
    /// A node that takes changed rings up quickly.
    pub(crate) async fn start_watchful(engine: Engine) -> Self {
        Self::start_with(engine, |config| config.keys.reload_every = LOOK).await
    }

    pub(crate) fn ring_file(&self) -> PathBuf {
        self.data_dir().join("keys.json")
    }

    /// Changes the ring's file, and waits until the node has taken it up.
    pub(crate) async fn change_ring<T>(
        &self,
        change: impl FnOnce(&mut KeyRing, OffsetDateTime) -> Result<T, StageError>,
    ) -> T {
        let now = testkit::clock::START;
        let done = KeyRing::update(&self.ring_file(), &SystemRandom, |ring| {
            Ok::<_, ChangeError>(change(ring, now)?)
        });
        let done = done.expect("the ring is changed");
        self.until_ring_is_taken_up().await;
        done
    }

    pub(crate) async fn until_ring_is_taken_up(&self) {
        let expected = KeyRing::load(&self.ring_file()).expect("a ring").keys();
        self.until("the changed ring is in use", async || {
            self.keys() == expected
        })
        .await;
    }

    pub(crate) async fn add_next(&self, section: KeySection) -> String {
        self.change_ring(|ring, now| ring.add_next(section, None, &SystemRandom, now))
            .await
    }

    /// Gives the key that is previous now.
    pub(crate) async fn promote(&self, section: KeySection) -> String {
        let (_, replaced) = self
            .change_ring(|ring, now| ring.promote(section, now))
            .await;
        replaced
    }

    pub(crate) async fn retire(&self, section: KeySection, id: &str) {
        self.change_ring(|ring, now| ring.retire(section, id, now))
            .await;
    }

    /// The id of the current key of a section.
    pub(crate) fn current_key(&self, section: KeySection) -> String {
        let keys = self.keys().into_iter();
        let mut current =
            keys.filter(|key| key.section == section && key.state == KeyState::Current);
        current.next().expect("a current key").id
    }

    /// The id of the next key of a section.
    pub(crate) fn next_key(&self, section: KeySection) -> String {
        let keys = self.keys().into_iter();
        let mut next = keys.filter(|key| key.section == section && key.state == KeyState::Next);
        next.next().expect("a next key").id
    }

    /// Waits until every account has a row under an index key.
    pub(crate) async fn until_all_rows(&self, index_key: &str) {
        let sql = format!(
            "SELECT count(*) AS n FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM identifier_index i \
             WHERE i.account_id = a.id AND i.key_id = '{index_key}')"
        );
        self.until_zero("every account is indexed", &sql).await;
    }

    /// Waits until no data key is under a master key.
    pub(crate) async fn until_none_under(&self, master: &str) {
        let sql = format!(
            "SELECT (SELECT count(*) FROM account_keys WHERE master_key_id = '{master}') \
             + (SELECT count(*) FROM service_keys WHERE master_key_id = '{master}') AS n"
        );
        self.until_zero("no data key is under the old master key", &sql)
            .await;
    }

    /// Waits until no index row is under a key.
    pub(crate) async fn until_no_rows_under(&self, index_key: &str) {
        let sql =
            format!("SELECT count(*) AS n FROM identifier_index WHERE key_id = '{index_key}'");
        self.until_zero("no index row is under the old key", &sql)
            .await;
    }

    /// Waits for work that takes its time, and does not ask so often that it takes longer for it.
    async fn until_zero(&self, fact: &str, sql: &str) {
        let begun = Instant::now();
        while self.number(sql).await != 0 {
            assert!(begun.elapsed() < WORK, "waited in vain: {fact}");
            sleep(LOOK).await;
        }
    }

    /// The one number (`n`) that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let rows = self.database().rows(sql).await;
        rows[0].try_get("", "n").expect("a number")
    }

    /// The tables in whose rows an id is found, as text or as bytes.
    pub(crate) async fn places_of(&self, id: &str) -> Vec<String> {
        let hex = id
            .bytes()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let tables = places::tables(self.database()).await.into_iter();
        tables
            .filter(|table| {
                let rows = String::from_utf8_lossy(&table.content).to_lowercase();
                rows.contains(id) || rows.contains(&hex)
            })
            .map(|table| table.name)
            .collect()
    }
}
