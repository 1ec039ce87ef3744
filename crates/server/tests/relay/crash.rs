//! Relays that are killed between delivery and marking, again and again.
//!
//! The receiver knows by the path which relay sent an event, and kills that one: before it answers, or right
//! after, when the relay has the answer and has not written it down. A new one starts in its place.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use authentication_domain::accounts::AccountId;
use testkit::{Engine, TestDatabase, builders::id};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    node::{Relay, Settings, until, until_served},
    random,
    receiver::{Reaction, Received, Receiver},
    writer::{store_on, write},
};

const ACCOUNTS: usize = 12;
/// Each writes events of every account.
const WRITERS: usize = 4;
/// How far writers are ahead of the receiver at the most, so that the end has not to be waited for.
const AHEAD: usize = 60;

testkit::on_every_engine! {
    /// PostgreSQL: three relays, a hundred kills. SQLite, which is one node's: one relay, twenty-five.
    async fn heavy_t76_relays_that_are_killed_lose_nothing_and_keep_the_order(engine: Engine) {
        let (relays, kills) = match engine {
            Engine::Production => (3, 100),
            Engine::Embedded => (1, 25),
        };
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::start(engine).await;
        let store = Arc::new(store_on(&database).await);
        let killer = Arc::new(Killer::new(kills, folder.path().join("log")));
        let receiver = {
            let killer = Arc::clone(&killer);
            Receiver::start(move |received| killer.react(received)).await
        };
        for number in 0..relays {
            let url = receiver.url(&number.to_string());
            killer.start(Settings::new(&database, folder.path(), &url));
        }
        until_served(&store).await;

        let accounts: Arc<Vec<AccountId>> = Arc::new((0..ACCOUNTS).map(|_| id()).collect());
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let (store, killer) = (Arc::clone(&store), Arc::clone(&killer));
            let (accounts, receiver) = (Arc::clone(&accounts), receiver.clone());
            writers.spawn(async move {
                let mut written: Vec<(AccountId, String)> = Vec::new();
                while killer.kills_left() > 0 {
                    let account = accounts[random(ACCOUNTS)];
                    let events = write(&store, account, 1 + random(3)).await;
                    written.extend(events.into_iter().map(|event| (account, event)));
                    let mine = written.len() * WRITERS;
                    while mine > receiver.count() + AHEAD && killer.kills_left() > 0 {
                        sleep(Duration::from_millis(20)).await;
                    }
                }
                written
            });
        }
        let written = writers.join_all().await;
        let ids: HashSet<&String> = written.iter().flatten().map(|(_, id)| id).collect();
        until("the last event", async || receiver.count() >= ids.len()).await;
        killer.end();

        let first = receiver.first_receipts();
        let receipts = receiver.received().len();
        assert_eq!(first.len(), ids.len());
        assert!(first.iter().all(|received| ids.contains(&received.id)));
        assert_in_order(&first, &written);
        // Otherwise no kill fell between delivery and marking, and nothing was shown.
        assert!(receipts > first.len() + kills / 4, "{receipts} receipts of {}", first.len());
        assert_eq!(database.count("event_lanes WHERE due_at IS NULL").await, 0);
    }
}

/// The events of an account came in the order in which they were committed: that of the queue, and with it
/// the order in which each writer had its commits answered.
fn assert_in_order(first: &[Received], written: &[Vec<(AccountId, String)>]) {
    let mut of_account: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut place_of: HashMap<&String, usize> = HashMap::new();
    for (place, received) in first.iter().enumerate() {
        let (account, sequence) = received.place();
        of_account.entry(account).or_default().push(sequence);
        place_of.insert(&received.id, place);
    }
    assert!(of_account.len() > ACCOUNTS / 2, "{of_account:?}");
    for (account, sequences) in of_account {
        assert!(sequences.is_sorted(), "{account}: {sequences:?}");
    }
    for events in written {
        let mut last: HashMap<AccountId, usize> = HashMap::new();
        for (account, id) in events {
            let place = place_of[id];
            let before = last.insert(*account, place);
            assert!(before < Some(place), "{id} came before the one before it");
        }
    }
}

struct Killer {
    left: AtomicUsize,
    log: PathBuf,
    relays: Mutex<Vec<(Settings, Relay)>>,
}

impl Killer {
    const fn new(kills: usize, log: PathBuf) -> Self {
        Self {
            left: AtomicUsize::new(kills),
            log,
            relays: Mutex::new(Vec::new()),
        }
    }

    fn start(&self, settings: Settings) {
        let relay = settings.relay(&self.log);
        self.relays.lock().unwrap().push((settings, relay));
    }

    fn kills_left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    fn react(self: &Arc<Self>, received: &Received) -> Reaction {
        let number: usize = received.path.parse().unwrap();
        let die = if self.kills_left() > 0 {
            random(12)
        } else {
            12
        };
        match die {
            0 | 1 => {
                self.kill(number);
                Reaction::HangUp
            }
            2..=5 => {
                let this = Arc::clone(self);
                Reaction::AnswerAndThen(204, Box::new(move || this.kill(number)))
            }
            6 if random(4) == 0 => Reaction::Answer(503),
            _ => Reaction::Answer(204),
        }
    }

    fn kill(&self, number: usize) {
        let mut relays = self.relays.lock().unwrap();
        let one_less = |left: usize| left.checked_sub(1);
        let counted = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if counted.is_ok()
            && let Some((settings, relay)) = relays.get_mut(number)
        {
            relay.kill();
            *relay = settings.relay(&self.log);
        }
    }

    /// Ends the relays that are left, as an operator does.
    fn end(&self) {
        for (_, relay) in self.relays.lock().unwrap().drain(..) {
            assert!(relay.end(), "a relay did not end well");
        }
    }
}
