//! Key rotation for the commands: the key ring, the store that counts the rows a key is needed for, and the rules.

use std::{sync::Arc, time::Duration as StdDuration};

use adapters_crypto::{
    BlindIndex, CryptoVault, JwtConfig, KeyRing, KeyRingError, KeysInUse, SigningAlgorithm,
    StageError, SystemClock, SystemRandom,
};
use api_http::KEY_SET_MAX_AGE;
use async_trait::async_trait;
use authentication_app::{
    keys::{Blocker, Evidence, Rekeying, StageRules, Unknown},
    ports::{
        Dependents, KeySection, KeyState, KeySummary, RekeyingQueries as _, StoreError,
        TaskProgress,
    },
};
use authentication_domain::challenges::ChallengeRules;
use common::Clock;
use identity_adapters_postgres::Store;
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};
use tokio::sync::OnceCell;

use super::{RingPlace, keys, store};
use crate::{
    StartError,
    config::{Config, Mistakes},
};

/// The timeout of one count: it scans whole tables, and only the operator waits for it.
const COUNTING: StdDuration = StdDuration::from_mins(10);

/// Why a key does not change its state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyDeskError {
    /// The configuration does not say where the key ring is.
    #[error(transparent)]
    Configuration(#[from] Mistakes),
    /// The key ring cannot be read or written.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
    /// The key cannot take this step.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The rows that need a key cannot be counted.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] StartError),
    /// Another command changed the key ring first.
    #[error("the key ring was changed by another command at the same moment: nothing was done")]
    Raced,
    /// The step is blocked for now.
    #[error("{}", refusal(.0))]
    Blocked(Vec<Blocker>),
}

fn refusal(blockers: &[Blocker]) -> String {
    let mut text = String::from("nothing was done, because:");
    for blocker in blockers {
        text.push_str("\n  ");
        text.push_str(&blocker.reason);
    }
    text.push_str("\nwith --force it is done all the same; then:");
    for blocker in blockers {
        text.push_str("\n  ");
        text.push_str(blocker.loss);
    }
    text
}

/// A completed step.
pub(crate) struct StepDone {
    /// What happened, as a sentence.
    pub(crate) what: String,
    /// The blockers that were overridden.
    pub(crate) forced: Vec<Blocker>,
    /// The new key ring, if it is not in a file: the operator has to store it.
    pub(crate) document: Option<SecretString>,
}

/// A key, and what blocks its retirement now.
pub(crate) struct ListedKey {
    pub(crate) key: KeySummary,
    pub(crate) dependents: Vec<Blocker>,
}

/// The commands' access to the key ring and the store.
pub(crate) struct KeyDesk {
    config: Config,
    place: RingPlace,
    rules: StageRules,
    /// Connected on the first count.
    store: OnceCell<(Arc<Store>, Arc<dyn Clock>)>,
    /// Why the connection failed, kept so that later questions fail at once instead of waiting again.
    unavailable: OnceCell<String>,
}

/// Connects to the store on the first question only: a signing key must be replaceable while the database is
/// unavailable.
#[async_trait]
impl Evidence for KeyDesk {
    async fn count(&self, of: Dependents<'_>, now: OffsetDateTime) -> Result<u64, Unknown> {
        let (store, _) = self.evidence().await?;
        Ok(store.count_dependents(of, now).await?)
    }

    async fn tasks(&self) -> Result<Vec<TaskProgress>, Unknown> {
        let (store, _) = self.evidence().await?;
        Ok(store.key_tasks().await?)
    }
}

impl KeyDesk {
    pub(crate) fn open(mut config: Config) -> Result<Self, KeyDeskError> {
        let rules = rules_of(&config);
        let patience = &mut config.database.statement_timeout;
        *patience = COUNTING.max(*patience);
        Ok(Self {
            place: RingPlace::of(&config)?,
            rules,
            store: OnceCell::new(),
            unavailable: OnceCell::new(),
            config,
        })
    }

    pub(crate) async fn close(self) {
        if let Some((store, _)) = self.store.into_inner() {
            store.close().await;
        }
    }

    /// All keys, each with the rows that need it.
    pub(crate) async fn list(&self) -> Result<Vec<ListedKey>, KeyDeskError> {
        let (keys, now) = (self.place.read()?.keys(), self.now().await);
        let mut listed = Vec::with_capacity(keys.len());
        for key in &keys {
            let dependents = match key.state {
                KeyState::Retired => Vec::new(),
                KeyState::Next => self.rules.against_promoting(key, self, now).await,
                KeyState::Current | KeyState::Previous => {
                    let current = current_of(&keys, key.section)?;
                    self.rules.against_retiring(key, current, self, now).await
                }
            };
            let key = key.clone();
            listed.push(ListedKey { key, dependents });
        }
        Ok(listed)
    }

    /// Creates the next key of a section.
    pub(crate) async fn add_next(
        &self,
        section: KeySection,
        algorithm: Option<SigningAlgorithm>,
    ) -> Result<StepDone, KeyDeskError> {
        let seen = self.place.read()?.keys();
        let now = self.now().await;
        let (id, document) = self.change(&seen, |ring| {
            ring.add_next(section, algorithm, &SystemRandom, now)
        })?;
        let what = format!("{section}: {id} is next");
        Ok(StepDone::new(what, Vec::new(), document))
    }

    /// Makes the next key of a section the current one.
    pub(crate) async fn promote(
        &self,
        section: KeySection,
        force: bool,
    ) -> Result<StepDone, KeyDeskError> {
        let seen = self.place.read()?.keys();
        let is_next = |key: &&KeySummary| key.section == section && key.state == KeyState::Next;
        let next = seen.iter().find(is_next).ok_or(StageError::NoNext)?;
        let now = self.now().await;
        let blockers = self.rules.against_promoting(next, self, now).await;
        let forced = unless_blocked(blockers, force)?;
        let ((promoted, replaced), document) =
            self.change(&seen, |ring| ring.promote(section, now))?;
        let what = format!("{section}: {promoted} is current, {replaced} is previous");
        Ok(StepDone::new(what, forced, document))
    }

    /// Retires a key.
    pub(crate) async fn retire(
        &self,
        section: KeySection,
        id: &str,
        force: bool,
    ) -> Result<StepDone, KeyDeskError> {
        let seen = self.place.read()?.keys();
        let is_it = |key: &&KeySummary| {
            key.section == section && key.id == id && key.state != KeyState::Retired
        };
        let key = seen.iter().find(is_it).ok_or(StageError::Unknown)?;
        if key.state == KeyState::Current {
            return Err(StageError::Current.into());
        }
        let current = current_of(&seen, section)?;
        let now = self.now().await;
        let blockers = self.rules.against_retiring(key, current, self, now).await;
        let forced = unless_blocked(blockers, force)?;
        let (_, document) = self.change(&seen, |ring| ring.retire(section, id, now))?;
        let what = format!("{section}: {id} is retired");
        Ok(StepDone::new(what, forced, document))
    }

    /// Whether a section has a next key.
    pub(crate) fn has_next(&self, section: KeySection) -> Result<bool, KeyDeskError> {
        let keys = self.place.read()?.keys();
        let is_next = |key: &KeySummary| key.section == section && key.state == KeyState::Next;
        Ok(keys.iter().any(is_next))
    }

    /// The rewrapping and reindexing of rows under the present key ring.
    pub(crate) async fn rekeying(&self) -> Result<Rekeying, KeyDeskError> {
        let random = Arc::new(SystemRandom);
        let keys = KeysInUse::new(self.place.read()?);
        let (store, clock) = self.store().await?;
        let service = keys::service_key(store, &keys, random.as_ref(), clock.now()).await?;
        let vault = CryptoVault::new(Arc::clone(&keys), service, random);
        let index = Arc::new(BlindIndex::new(keys));
        Ok(Rekeying::new(
            store.clone(),
            Arc::new(vault),
            index,
            Arc::clone(clock),
        ))
    }

    /// The time of the service, or that of the machine if the store is unavailable, which is a blocker of its own.
    async fn now(&self) -> OffsetDateTime {
        let known = self.evidence().await;
        known.map_or_else(|_| SystemClock.now(), |(_, clock)| clock.now())
    }

    async fn store(&self) -> Result<&(Arc<Store>, Arc<dyn Clock>), KeyDeskError> {
        let open = || async {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let opened = store::open_migrated(&self.config).await?;
            Ok::<_, KeyDeskError>(opened)
        };
        self.store.get_or_try_init(open).await
    }

    async fn evidence(&self) -> Result<&(Arc<Store>, Arc<dyn Clock>), Unknown> {
        if let Some(reason) = self.unavailable.get() {
            return Err(reason.clone().into());
        }
        match self.store().await {
            Ok(opened) => Ok(opened),
            Err(error) => {
                let reason = error.to_string();
                // A reason that was set concurrently is as good.
                let _ = self.unavailable.set(reason.clone());
                Err(reason.into())
            }
        }
    }

    /// Changes the key ring if it is still the one that was read.
    fn change<T>(
        &self,
        seen: &[KeySummary],
        step: impl FnOnce(&mut KeyRing) -> Result<T, StageError>,
    ) -> Result<(T, Option<SecretString>), KeyDeskError> {
        let step = |ring: &mut KeyRing| {
            if ring.keys() == seen {
                step(ring).map_err(KeyDeskError::from)
            } else {
                Err(KeyDeskError::Raced)
            }
        };
        if let Some(file) = self.place.file() {
            return Ok((KeyRing::update(file, &SystemRandom, step)?, None));
        }
        let mut ring = self.place.read()?;
        let done = step(&mut ring)?;
        Ok((done, Some(ring.to_json())))
    }
}

impl StepDone {
    const fn new(what: String, forced: Vec<Blocker>, document: Option<SecretString>) -> Self {
        Self {
            what,
            forced,
            document,
        }
    }
}

fn unless_blocked(blockers: Vec<Blocker>, force: bool) -> Result<Vec<Blocker>, KeyDeskError> {
    if blockers.is_empty() || force {
        Ok(blockers)
    } else {
        Err(KeyDeskError::Blocked(blockers))
    }
}

/// The current key of a section. Every key ring has one per section.
fn current_of(keys: &[KeySummary], section: KeySection) -> Result<&KeySummary, KeyDeskError> {
    let is_current = |key: &&KeySummary| key.section == section && key.state == KeyState::Current;
    Ok(keys.iter().find(is_current).ok_or(StageError::Unknown)?)
}

/// The waiting times that follow from the settings and from the policy.
fn rules_of(config: &Config) -> StageRules {
    let challenges = ChallengeRules::default();
    let access_token = Duration::seconds(config.tokens.access_ttl_seconds.into());
    StageRules {
        settle: Duration::try_from(config.keys.settle).unwrap_or(Duration::DAY),
        key_set_max_age: Duration::try_from(KEY_SET_MAX_AGE).unwrap_or(Duration::HOUR),
        access_token: access_token + JwtConfig::LEEWAY,
        registration: challenges.challenge_lifetime,
        sending: challenges.link_lifetime.max(challenges.code_lifetime),
        counters: Duration::DAY,
    }
}
