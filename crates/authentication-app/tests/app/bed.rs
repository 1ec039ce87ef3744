//! One test's service: the embedded adapters, fakes of what is slow or can fail, and hands in its database.

mod database;
mod fakes;
mod person;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use adapters_crypto::{
    AuthenticatorCodes, BlindIndex, CryptoVault, JwtConfig, JwtSigner, KeyRing, KeysInUse,
    ServiceKey, StageError, TokenMacs, WebAuthnConfig, WebAuthnParty,
};
use adapters_memory::{LocalRevocations, MemorySessionCache, MemoryThrottle};
use authentication_app::{
    Awaited, Foundation, Origin, RequestContext, Rules,
    accounts::{Accounts, People},
    caching::Ledger,
    challenges::Challenges,
    credentials::Credentials,
    maintenance::Upkeep,
    notifications::{Ceilings, Notifications},
    ports::{NoMeter, Throttle},
    protection::Limits,
    sessions::{Liveness, SessionCaches, Sessions},
};
use common::{Clock, SecureRandom};
use identity_adapters_postgres::{Store, StoreConfig};
use secrecy::SecretString;
use testkit::{SeededRandom, TestClock, TestDatabase, builders::request_id};
use time::OffsetDateTime;
use tokio::sync::Notify;

pub(crate) use fakes::{FakeHasher, FakeSender, FakeSigner, FakeThrottle, FakeWriter};
pub(crate) use person::{NEW_PASSWORD, PASSWORD, Person, email, password, right_code, wrong_code};

pub(crate) struct Bed {
    pub(crate) base: Arc<Foundation>,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Sessions,
    pub(crate) credentials: Credentials,
    pub(crate) challenges: Challenges,
    pub(crate) notifications: Notifications,
    pub(crate) upkeep: Upkeep,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) hasher: Arc<FakeHasher>,
    pub(crate) sender: Arc<FakeSender>,
    pub(crate) signer: Arc<FakeSigner>,
    pub(crate) caches: Ledger,
    pub(crate) database: Arc<TestDatabase>,
    keys: Arc<KeysInUse>,
    /// The ring as its document, which is what is changed.
    ring: Mutex<SecretString>,
}

impl Bed {
    pub(crate) async fn start() -> Self {
        let database = Arc::new(TestDatabase::sqlite().await);
        let config = StoreConfig::new(database.url());
        let store = Arc::new(Store::connect(&config).await.unwrap());
        let clock = Arc::new(TestClock::new());
        let now: Arc<dyn Clock> = clock.clone();
        let random: Arc<dyn SecureRandom> = Arc::new(SeededRandom::new(1));
        let ring = KeyRing::generate(random.as_ref(), now.now());
        let document = ring.to_json();
        let keys = KeysInUse::new(ring);
        let service_key = ServiceKey::generate(&keys, random.as_ref());
        let service_key = ServiceKey::open(&keys, &service_key).unwrap();
        let hasher = Arc::new(FakeHasher::default());
        let signer = Arc::new(FakeSigner::over(signer_on(&keys, &now, &random)));
        let caches = Ledger::default();
        let people = People::new(&caches, now.clone(), random.clone());
        let session_caches = SessionCaches {
            near: Arc::new(MemorySessionCache::new(
                MemorySessionCache::ALONE,
                now.clone(),
                random.clone(),
            )),
            shared: None,
            others: Arc::new(LocalRevocations),
            people: people.clone(),
        };
        let base = Arc::new(Foundation {
            store: store.clone(),
            liveness: Liveness::new(store, session_caches, &caches),
            people,
            hasher: hasher.clone(),
            vault: Arc::new(CryptoVault::new(
                Arc::clone(&keys),
                service_key,
                random.clone(),
            )),
            index: Arc::new(BlindIndex::new(Arc::clone(&keys))),
            macs: Arc::new(TokenMacs::new(Arc::clone(&keys))),
            totp: Arc::new(AuthenticatorCodes::new("Fashionistar")),
            signer: signer.clone(),
            relying_party: Arc::new(relying_party()),
            clock: now,
            random,
            meter: Arc::new(NoMeter),
            messages_queued: Arc::new(Notify::new()),
            rules: Rules::default(),
        });
        let sender = Arc::new(FakeSender::default());
        Self {
            accounts: Accounts::new(Arc::clone(&base)),
            sessions: Sessions::new(Arc::clone(&base)),
            credentials: Credentials::new(Arc::clone(&base)),
            challenges: Challenges::new(Arc::clone(&base)),
            notifications: Notifications::new(
                Arc::clone(&base),
                sender.clone(),
                Arc::new(FakeWriter),
                Ceilings::default(),
            ),
            upkeep: Upkeep::new(Arc::clone(&base)),
            base,
            clock,
            hasher,
            sender,
            signer,
            caches,
            database,
            keys,
            ring: Mutex::new(document),
        }
    }

    /// Takes a step of a key's life, for the one node there is.
    pub(crate) fn change_ring<T>(
        &self,
        step: impl FnOnce(&mut KeyRing, OffsetDateTime) -> Result<T, StageError>,
    ) -> T {
        let mut document = self.ring.lock().unwrap();
        let mut ring = KeyRing::from_json(&document).unwrap();
        let done = step(&mut ring, self.clock.now()).unwrap();
        *document = ring.to_json();
        self.keys.replace(ring).unwrap();
        done
    }

    /// From here on `sql` is executed behind everybody's back while a password is hashed: `times` times.
    pub(crate) fn come_in_between(&self, times: u64, sql: &'static str) {
        let (database, done) = (Arc::clone(&self.database), Arc::new(AtomicU64::new(0)));
        let rival = move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let (database, done) = (Arc::clone(&database), Arc::clone(&done));
            Box::pin(async move {
                if done.fetch_add(1, Ordering::SeqCst) < times {
                    for statement in sql.split("; ") {
                        database.execute(statement).await;
                    }
                }
            })
        };
        assert!(self.hasher.rival.set(Box::new(rival)).is_ok());
    }

    /// Limits that ask `shared` first.
    pub(crate) fn limits(&self, shared: Option<Arc<dyn Throttle>>) -> Limits {
        let own = Arc::new(MemoryThrottle::new(self.base.clock.clone()));
        Limits::new(Arc::clone(&self.base), shared, own)
    }

    /// Sends what is queued, and what became due by the way.
    pub(crate) async fn deliver(&self) {
        let mut worker = self.notifications.deliveries();
        while worker.round().await.unwrap().may_be_more {}
        worker.finish().await;
    }
}

/// A request from an address of documentation, without a device token.
pub(crate) fn request() -> RequestContext {
    RequestContext {
        request_id: request_id(),
        origin: Origin {
            address: "192.0.2.7".parse().unwrap(),
            user_agent: Some("a test".to_owned()),
        },
        device_token: None,
        may_send: true,
        awaited: Awaited::default(),
    }
}

fn relying_party() -> WebAuthnParty {
    let config = WebAuthnConfig {
        rp_id: "localhost".to_owned(),
        rp_name: "Fashionistar".to_owned(),
        origins: vec!["http://localhost:8080".to_owned()],
        related_origins: Vec::new(),
    };
    WebAuthnParty::new(&config).unwrap()
}

fn signer_on(
    keys: &Arc<KeysInUse>,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn SecureRandom>,
) -> JwtSigner {
    let claims = JwtConfig {
        issuer: "https://auth.example.com".to_owned(),
        audience: "fashionistar".to_owned(),
        client_id: "fashionistar".to_owned(),
        leeway: JwtConfig::LEEWAY,
    };
    JwtSigner::new(Arc::clone(keys), claims, clock.clone(), random.clone()).unwrap()
}
