//! The composition of the service: the only module that decides which adapter implements which port.

mod clock;
mod counters;
mod embedded_file;
mod ephemeral;
mod events;
mod importing;
mod key_desk;
mod key_watch;
mod keys;
mod looking;
mod mailbox;
mod messages;
mod offline;
mod patience;
mod providers;
mod readiness;
mod rekeying;
mod revoking;
mod store;
mod unlocking;

use std::sync::Arc;

use adapters_crypto::{
    Argon2Pool, AuthenticatorCodes, BlindIndex, CryptoVault, HashingConfig, JwtConfig, JwtSigner,
    KeysInUse, PoolError, SystemRandom, TokenMacs, WebAuthnConfig, WebAuthnParty,
};
use api_http::{ApiConfig, ApiState, Draining, ports::TraceLink};
use authentication_app::{
    Cursors, Foundation, Rules,
    accounts::{Accounts, FactorResets},
    challenges::Challenges,
    credentials::Credentials,
    events::{Events, RelayPorts},
    keys::Rekeying,
    maintenance::Upkeep,
    mfa::Mfa,
    passkeys::Passkeys,
    ports::{MessageSender, PasswordHasher, StoreError, Ticks},
    sessions::Sessions,
};
use authentication_domain::{
    accounts::IdentifierRules,
    credentials::{ContextWords, PasswordPolicy},
    sessions::{RotationRules, SessionRules},
};
use common::{Clock, SecureRandom};
use identity_adapters_postgres::Store;
use time::Duration;
use tokio::sync::Notify;

use crate::{
    StartError,
    config::{Config, Mistakes, RelyingPartyInEffect},
    telemetry::{Metrics, TraceContext, Watched},
    workers::Workers,
};

use clock::Clocks;
pub use counters::Counters;
pub(crate) use counters::Gauges;
pub(crate) use embedded_file::{InUse, UnfinishedRestore};
use ephemeral::Ephemeral;
pub(crate) use ephemeral::{redis_config, redis_mistake};
pub(crate) use events::{EventDesk, RelayNode};
pub(crate) use importing::Importing;
pub(crate) use key_desk::{KeyDesk, KeyDeskError, ListedKey, StepDone};
pub(crate) use key_watch::KeyView;
use key_watch::KeyWatch;
pub(crate) use keys::{RingPlace, examine_key_ring, new_key_ring};
use messages::Outgoing;
pub(crate) use messages::{check_templates, gateway_of_texts, mail_server};
use patience::PatientHasher;
pub(crate) use providers::identity_provider;
use readiness::Readiness;
pub(crate) use revoking::Revoking;
pub(crate) use store::{Schema, impatient, make_folder_of, open_migrated as open_migrated_store};
pub(crate) use unlocking::Unlocking;

/// Test replacements for components that the configuration would choose.
#[derive(Default)]
pub struct Overrides {
    /// The clock.
    pub clock: Option<Arc<dyn Clock>>,
    /// The clocks of the machine, unless [`Self::clock`] is set.
    pub ticks: Option<Box<dyn Ticks>>,
    /// The source of randomness.
    pub random: Option<Arc<dyn SecureRandom>>,
    /// The sender of messages.
    pub sender: Option<Arc<dyn MessageSender>>,
    /// The numbers of the policy.
    pub rules: Option<Rules>,
    /// A wrapper between the use cases and the hashing pool.
    pub around_hasher: Option<AroundHasher>,
}

/// Wraps a hasher.
pub type AroundHasher = Box<dyn FnOnce(Arc<dyn PasswordHasher>) -> Arc<dyn PasswordHasher> + Send>;

/// The service without its listeners.
pub(crate) struct Wired {
    pub(crate) state: Arc<ApiState>,
    pub(crate) workers: Workers,
    pub(crate) gauges: Gauges,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) keys: KeyView,
}

/// Builds all components. `public_url` is the address at which clients reach the service, without a trailing slash.
pub(crate) async fn wire(
    config: &Config,
    overrides: Overrides,
    public_url: String,
) -> Result<Wired, StartError> {
    // For TLS to Redis and to the database. An error means that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let has_test_clock = overrides.clock.is_some();
    let clocks = Clocks::new(overrides.clock, overrides.ticks);
    let clock = Arc::clone(&clocks.clock);
    let random = overrides.random.unwrap_or_else(|| Arc::new(SystemRandom));
    let metrics = Metrics::start(config.telemetry.otlp_endpoint.as_ref())?;
    let metrics = Arc::new(metrics);
    let ring_place = RingPlace::of(config)?;
    let ring_before = key_watch::look_at(&ring_place);
    let ring = keys::load(config, &ring_place, random.as_ref(), clock.now())?;
    // A key ring that was just generated is not a change.
    let ring_before = ring_before.or_else(|| key_watch::look_at(&ring_place));
    let keys = KeysInUse::new(ring);
    let hasher = start_hasher(config, &keys, &random)?.metered(metrics.meter());
    let hasher = Arc::new(hasher);
    let store = Arc::new(store::open(config, clock.as_ref()).await?);
    metrics.watch(Watched {
        store: Arc::downgrade(&store),
        hasher: Arc::downgrade(&hasher),
        hashing_threads: config.passwords.threads,
        hashing_queue: config.passwords.queue,
    });
    let mut workers = Workers::new(Arc::clone(&random));
    clocks.keep(&store, &mut workers).await?;
    metrics.watch_clock(Arc::clone(&clocks.figures));
    looking::keep_looking(&store, &mut workers);
    let service_key = keys::service_key(&store, &keys, random.as_ref(), clock.now()).await?;
    let vault = CryptoVault::new(Arc::clone(&keys), service_key, Arc::clone(&random));
    let vault = Arc::new(vault);

    let ephemeral = Ephemeral::open(config, &clock, &random, has_test_clock, &mut workers).await?;
    metrics.watch_caches(&ephemeral.caches);
    // Restored data are served only after their pending codes, links and sessions are voided.
    revoking::finish_restores(&store, &vault, &clock, &random, ephemeral.shared()).await?;
    let liveness = ephemeral.liveness(store.clone());
    clock::hear_of_revocations(&clocks.figures, &liveness, &mut workers);
    let signer = Arc::new(make_signer(config, &keys, &clock, &random, &public_url)?);
    let base = Arc::new(Foundation {
        store: store.clone(),
        liveness,
        people: ephemeral.people.clone(),
        hasher: {
            let hasher = match overrides.around_hasher {
                Some(around) => around(hasher.clone()),
                None => hasher.clone(),
            };
            let (deadline, floor) = (config.http.request_deadline, config.passwords.refusal_floor);
            Arc::new(PatientHasher::new(hasher, deadline, floor))
        },
        vault: vault.clone(),
        index: Arc::new(BlindIndex::new(Arc::clone(&keys))),
        macs: Arc::new(TokenMacs::new(Arc::clone(&keys))),
        totp: Arc::new(AuthenticatorCodes::new(&config.messages.product)),
        signer: signer.clone(),
        relying_party: Arc::new(make_relying_party(config, &public_url)?),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        meter: metrics.meter(),
        messages_queued: Arc::new(Notify::new()),
        rules: overrides.rules.unwrap_or_else(|| rules_of(config)),
    });

    let caches = ephemeral.caches.clone();
    let gauges = Gauges::new(Arc::clone(&store), hasher, caches, workers.gate());
    let outgoing = Outgoing::open(config, overrides.sender, &public_url)?;
    let mailbox = outgoing.mailbox.clone();
    if let Some(notifications) = outgoing.notifications(config, &base, &gauges) {
        workers.deliver_messages(notifications, Arc::clone(&base.messages_queued));
    }
    let relays = events::Relays {
        ports: RelayPorts {
            queue: store.clone(),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            meter: metrics.meter(),
        },
        redis: ephemeral.redis.as_ref(),
    };
    relays.start(config, &store, &mut workers)?;
    let watch = KeyWatch::new(
        ring_place,
        keys,
        ring_before,
        config.is_production(),
        config.keys.reload_every,
    );
    change_keys(&mut workers, &base, &watch);
    let upkeep = Upkeep::new(Arc::clone(&base));
    let resets = FactorResets::new(Arc::clone(&base));
    let events = Events::new(store.clone(), Arc::clone(&clock));
    workers.watch_events(events.clone(), metrics.meter());
    let retention = config.events.retention;
    let (upkeep_store, upkeep_clock) = (Arc::clone(&store), Arc::clone(&clock));
    workers.keep_up(move || {
        let (upkeep, store, clock) = (upkeep.clone(), upkeep_store.clone(), upkeep_clock.clone());
        let (events, resets) = (events.clone(), resets.clone());
        async move {
            let done = resets.round().await?;
            tracing::info!(?done, "resets of second factors looked after");
            look_after(&upkeep, &store, clock.as_ref()).await?;
            let purged = events.purge(retention).await?;
            tracing::info!(purged, "upkeep of events done");
            Ok(())
        }
    });

    let state = ApiState {
        accounts: Accounts::new(Arc::clone(&base)),
        sessions: Sessions::new(Arc::clone(&base)),
        credentials: Credentials::new(Arc::clone(&base)),
        challenges: Challenges::new(Arc::clone(&base)),
        mfa: Mfa::new(Arc::clone(&base)),
        passkeys: Passkeys::new(Arc::clone(&base)),
        providers: providers::providers(config, &base, &metrics)?,
        cursors: Cursors::new(Arc::clone(&base.macs)),
        limits: ephemeral.limits(base),
        signer,
        clock,
        random,
        readiness: Arc::new(Readiness::new(
            store,
            ephemeral.redis,
            clocks.of_the_machine(),
        )),
        draining: Draining::default(),
        mailbox,
        meter: metrics.clone(),
        trace_link: config
            .telemetry
            .otlp_endpoint
            .is_some()
            .then(|| Arc::new(TraceContext) as Arc<dyn TraceLink>),
        config: api_config(config, public_url),
    };
    Ok(Wired {
        state: Arc::new(state),
        workers,
        gauges,
        metrics,
        keys: watch.view,
    })
}

/// Reloads changed key rings, and rewraps and reindexes the rows that they require.
fn change_keys(workers: &mut Workers, base: &Foundation, watch: &KeyWatch) {
    let rekeying = Rekeying::new(
        Arc::clone(&base.store),
        Arc::clone(&base.vault),
        Arc::clone(&base.index),
        Arc::clone(&base.clock),
    );
    let (gate, changed) = (workers.gate(), Arc::clone(&watch.changed));
    workers.supervise("rekeying", move |stop| {
        let (work, changed) = (rekeying.clone(), Arc::clone(&changed));
        rekeying::keep_rekeying(work, changed, Arc::clone(&gate), stop)
    });
    let watch = watch.clone();
    workers.supervise("keys", move |stop| watch.clone().run(stop));
}

fn start_hasher(
    config: &Config,
    keys: &Arc<KeysInUse>,
    random: &Arc<dyn SecureRandom>,
) -> Result<Argon2Pool, StartError> {
    let passwords = &config.passwords;
    let hashing = HashingConfig {
        memory_kib: passwords.memory_kib,
        iterations: passwords.iterations,
        parallelism: passwords.parallelism,
        threads: passwords.threads,
        queue: passwords.queue,
    };
    Argon2Pool::start(Arc::clone(keys), &hashing, Arc::clone(random)).map_err(|error| match error {
        PoolError::Config(error) => {
            Mistakes::from(config.mistake("passwords.memory_kib", error.to_string())).into()
        }
        PoolError::Threads(error) => StartError::Threads(error),
        error @ PoolError::Engine => StartError::Hashing(error),
    })
}

fn make_signer(
    config: &Config,
    keys: &Arc<KeysInUse>,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn SecureRandom>,
    public_url: &str,
) -> Result<JwtSigner, StartError> {
    let tokens = &config.tokens;
    let claims = JwtConfig {
        issuer: tokens
            .issuer
            .clone()
            .unwrap_or_else(|| public_url.to_owned()),
        audience: tokens.audience.clone(),
        client_id: tokens.client_id.clone(),
        leeway: JwtConfig::LEEWAY,
    };
    JwtSigner::new(
        Arc::clone(keys),
        claims,
        Arc::clone(clock),
        Arc::clone(random),
    )
    .map_err(|error| Mistakes::from(config.mistake("tokens.issuer", error.to_string())).into())
}

fn make_relying_party(config: &Config, public_url: &str) -> Result<WebAuthnParty, StartError> {
    let refused =
        |reason: String| StartError::from(Mistakes::from(config.mistake("webauthn.rp_id", reason)));
    let public_url = public_url
        .parse()
        .map_err(|_| refused("does not follow from http.public_url".to_owned()))?;
    let RelyingPartyInEffect { rp_id, origins } = config.webauthn.in_effect(&public_url);
    let relying_party = WebAuthnConfig {
        rp_id,
        rp_name: config.messages.product.clone(),
        origins,
        related_origins: config.webauthn.related_origins.clone(),
    };
    WebAuthnParty::new(&relying_party).map_err(|error| refused(error.to_string()))
}

/// The numbers of the policy, with those that the configuration overrides.
fn rules_of(config: &Config) -> Rules {
    let lifetime = Duration::seconds(config.tokens.access_ttl_seconds.into());
    let mut sessions = SessionRules::default();
    sessions.members.access_token = lifetime;
    sessions.staff.access_token = sessions.staff.access_token.min(lifetime);
    let shortest = config.passwords.minimum_length;
    let passwords = PasswordPolicy::default();
    Rules {
        identifiers: IdentifierRules {
            undo_for: Duration::hours(config.protection.identifier_undo_hours.into()),
            phone_speaks_for: Duration::days(config.protection.phone_reproof_days.into()),
            factor_reset_wait: Duration::hours(config.protection.factor_reset_hours.into()),
            ..IdentifierRules::default()
        },
        passwords: PasswordPolicy {
            minimum_length: shortest,
            minimum_length_for_staff: passwords.minimum_length_for_staff.max(shortest),
            words: match &config.passwords.context_words {
                Some(words) => ContextWords::new(words),
                None => ContextWords::of_product(&config.messages.product),
            },
            ..passwords
        },
        sessions,
        second_factors: config.mfa.rules(),
        rotation: RotationRules {
            grace: Duration::seconds(config.tokens.refresh_grace_seconds.into()),
        },
        ..Rules::default()
    }
}

fn api_config(config: &Config, public_url: String) -> ApiConfig {
    ApiConfig {
        trusted_proxies: config.http.trusted_proxies.clone(),
        exempt_networks: config.protection.exempt_networks.clone(),
        cors_origins: config.http.cors_origins.clone(),
        public_url,
        docs_on_public: !config.is_production(),
        development: !config.is_production(),
        max_body_bytes: config.http.max_body_bytes,
        request_deadline: config.http.request_deadline,
    }
}

async fn look_after(upkeep: &Upkeep, store: &Store, clock: &dyn Clock) -> Result<(), StoreError> {
    let purged = upkeep.purge().await?;
    store.ensure_audit_partitions(clock.now()).await?;
    tracing::info!(purged, "upkeep done");
    Ok(())
}
