//! Moving keys, for the commands: the ring, the store that tells what depends on a key, and the rules.

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

/// How long one count may take: it goes through whole tables, and nobody waits but who asked.
const COUNTING: StdDuration = StdDuration::from_mins(10);

/// Why a key does not move.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyDeskError {
    /// Where the ring is, is not said.
    #[error(transparent)]
    Configuration(#[from] Mistakes),
    /// The ring cannot be read or written.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
    /// No such step.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// What depends on a key cannot be told.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Neither can the database be opened.
    #[error(transparent)]
    Open(#[from] StartError),
    /// Another command was first.
    #[error("the key ring was changed by another command at the same moment: nothing was done")]
    Raced,
    /// The step has to wait.
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

/// A step that was taken.
pub(crate) struct StepDone {
    /// What happened, in words.
    pub(crate) what: String,
    /// What stood against it and was done all the same.
    pub(crate) forced: Vec<Blocker>,
    /// The new ring, if it is not in a file: whoever asked has to put it where it belongs.
    pub(crate) document: Option<SecretString>,
}

/// A key, and what stands against taking it away now.
pub(crate) struct ListedKey {
    pub(crate) key: KeySummary,
    pub(crate) dependents: Vec<Blocker>,
}

/// The commands' access to ring and store.
pub(crate) struct KeyDesk {
    config: Config,
    place: RingPlace,
    rules: StageRules,
    /// Connected when something has to be counted.
    store: OnceCell<(Arc<Store>, Arc<dyn Clock>)>,
    /// Why it is not: said once, and not waited for again with every question.
    unavailable: OnceCell<String>,
}

/// Asks the store, and connects to it only then: a signing key has to be replaceable while the database is away.
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

    /// All keys, with what depends on them.
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

    /// Makes the next key of a section.
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

    /// Takes a key away.
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

    /// What wraps and indexes anew under the ring as it is now.
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

    /// The time of the service, or the machine's when the store does not tell it: that is a blocker of its own.
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
                // Somebody else's word would be as good.
                let _ = self.unavailable.set(reason.clone());
                Err(reason.into())
            }
        }
    }

    /// Changes the ring if it is still what was seen.
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

/// Every ring has one of each section.
fn current_of(keys: &[KeySummary], section: KeySection) -> Result<&KeySummary, KeyDeskError> {
    let is_current = |key: &&KeySummary| key.section == section && key.state == KeyState::Current;
    Ok(keys.iter().find(is_current).ok_or(StageError::Unknown)?)
}

/// The times that follow from the settings and from the policy.
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
