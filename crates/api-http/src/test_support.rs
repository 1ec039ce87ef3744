//! The complete state for the tests of this crate: the embedded adapters, a fixed clock, and one SQLite file per
//! test. Black-box suites over real HTTP belong in `server/tests/api`.

use std::sync::{Arc, Mutex};

use adapters_crypto::{
    Argon2Pool, AuthenticatorCodes, BlindIndex, CryptoVault, HashingConfig, JwtConfig, JwtSigner,
    KeyRing, KeysInUse, ServiceKey, TokenMacs, WebAuthnConfig, WebAuthnParty,
};
use adapters_memory::{LocalRevocations, MemorySessionCache, MemoryThrottle};
use async_trait::async_trait;
use authentication_app::{
    Cursors, Foundation, Rules,
    accounts::{Accounts, People},
    caching::Ledger,
    challenges::Challenges,
    credentials::Credentials,
    mfa::Mfa,
    passkeys::Passkeys,
    ports::NoMeter,
    protection::Limits,
    sessions::{Liveness, SessionCaches, Sessions},
};
use common::{Clock, SecureRandom};
use identity_adapters_postgres::{Store, StoreConfig};
use testkit::{SeededRandom, TestClock, TestDatabase};
use tokio::sync::Notify;

use crate::{
    ApiConfig, ApiState, Draining,
    ports::{
        Cause, DependencyState, DependencyStatus, MailboxMessage, MailboxQuery, MailboxView,
        NoHttpMeter, ReadinessProbe,
    },
};

/// The service of one test.
pub(crate) struct TestState {
    pub(crate) state: Arc<ApiState>,
    pub(crate) database: DatabaseSwitch,
    _file: TestDatabase,
}

impl TestState {
    pub(crate) async fn new() -> Self {
        Self::with(ApiConfig::default()).await
    }

    pub(crate) async fn with(config: ApiConfig) -> Self {
        let file = TestDatabase::sqlite().await;
        let store = Store::connect(&StoreConfig::new(file.url())).await.unwrap();
        let database = DatabaseSwitch::default();
        Self {
            state: Arc::new(state_on(Arc::new(store), database.clone(), config)),
            database,
            _file: file,
        }
    }
}

/// Controls the database status that the readiness probe reports.
#[derive(Clone, Default)]
pub(crate) struct DatabaseSwitch(Arc<Mutex<Option<DependencyStatus>>>);

impl DatabaseSwitch {
    pub(crate) fn set(&self, status: DependencyStatus) {
        *self.0.lock().unwrap() = Some(status);
    }
}

#[async_trait]
impl ReadinessProbe for DatabaseSwitch {
    async fn check(&self) -> Vec<DependencyState> {
        let database = DependencyState::up("database", true);
        vec![match *self.0.lock().unwrap() {
            None | Some(DependencyStatus::Up) => database,
            Some(status) => database.worse(status, Cause::Unreachable),
        }]
    }
}

struct NoMail;

impl MailboxView for NoMail {
    fn messages(&self, _: &MailboxQuery<'_>) -> Vec<MailboxMessage> {
        Vec::new()
    }
}

fn state_on(store: Arc<Store>, readiness: DatabaseSwitch, config: ApiConfig) -> ApiState {
    let clock: Arc<dyn Clock> = Arc::new(TestClock::new());
    let random: Arc<dyn SecureRandom> = Arc::new(SeededRandom::new(1));
    let keys = KeysInUse::new(KeyRing::generate(random.as_ref(), clock.now()));
    let service_key = ServiceKey::generate(&keys, random.as_ref());
    let service_key = ServiceKey::open(&keys, &service_key).unwrap();
    let signer = Arc::new(signer_on(&keys, &clock, &random));
    let ledger = Ledger::default();
    let people = People::new(&ledger, Arc::clone(&clock), Arc::clone(&random));
    let caches = SessionCaches {
        near: Arc::new(MemorySessionCache::new(
            MemorySessionCache::ALONE,
            Arc::clone(&clock),
            Arc::clone(&random),
        )),
        shared: None,
        others: Arc::new(LocalRevocations),
        people: people.clone(),
    };
    let base = Arc::new(Foundation {
        store: store.clone(),
        liveness: Liveness::new(store, caches, &ledger),
        people,
        hasher: Arc::new(hasher_on(&keys, &random)),
        vault: Arc::new(CryptoVault::new(
            Arc::clone(&keys),
            service_key,
            Arc::clone(&random),
        )),
        index: Arc::new(BlindIndex::new(Arc::clone(&keys))),
        macs: Arc::new(TokenMacs::new(keys)),
        totp: Arc::new(AuthenticatorCodes::new("Fashionistar")),
        signer: signer.clone(),
        relying_party: Arc::new(relying_party()),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        meter: Arc::new(NoMeter),
        messages_queued: Arc::new(Notify::new()),
        rules: Rules::default(),
    });
    ApiState {
        accounts: Accounts::new(Arc::clone(&base)),
        sessions: Sessions::new(Arc::clone(&base)),
        credentials: Credentials::new(Arc::clone(&base)),
        challenges: Challenges::new(Arc::clone(&base)),
        mfa: Mfa::new(Arc::clone(&base)),
        passkeys: Passkeys::new(Arc::clone(&base)),
        providers: authentication_app::federation::Providers::default(),
        cursors: Cursors::new(Arc::clone(&base.macs)),
        limits: Limits::new(
            base,
            None,
            Arc::new(MemoryThrottle::new(Arc::clone(&clock))),
        ),
        signer,
        clock,
        random,
        readiness: Arc::new(readiness),
        draining: Draining::default(),
        mailbox: Some(Arc::new(NoMail)),
        meter: Arc::new(NoHttpMeter),
        trace_link: None,
        config,
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

fn hasher_on(keys: &Arc<KeysInUse>, random: &Arc<dyn SecureRandom>) -> Argon2Pool {
    let hashing = HashingConfig {
        memory_kib: 19_456,
        iterations: 2,
        parallelism: 1,
        threads: 1,
        queue: 8,
    };
    Argon2Pool::start(Arc::clone(keys), &hashing, Arc::clone(random)).unwrap()
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
    JwtSigner::new(
        Arc::clone(keys),
        claims,
        Arc::clone(clock),
        Arc::clone(random),
    )
    .unwrap()
}
