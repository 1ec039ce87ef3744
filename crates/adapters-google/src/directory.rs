//! A cache of the provider's metadata and keys.

use std::{
    future::Future,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration as Wait,
};

use authentication_app::ports::ProviderError;
use common::{Clock, SecureRandom, random};
use openidconnect::core::CoreJsonWebKeySet;
use time::{Duration, OffsetDateTime};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use url::Url;

use crate::{
    InvalidProvider, ProviderConfig,
    breaker::Breaker,
    http::{Http, HttpError},
    key_set,
    metadata::Metadata,
};

/// How long metadata and keys are fresh, so that no request is sent.
const FRESH: Duration = Duration::hours(1);
/// How long they are used while the provider cannot be asked. This bounds how long a withdrawn key is accepted.
const STALE: Duration = Duration::hours(24);
/// The minimum interval between requests that are not urgent: for keys, because a token names an unknown one, and for
/// everything while the cached values may still be used.
const AT_MOST_EVERY: Duration = Duration::seconds(10);
/// The longest that one operation at the provider may take, retries included.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
/// Attempts within that time, and the pause after the first one, which then doubles.
const TRIES: u32 = 3;
const FIRST_PAUSE: Wait = Wait::from_millis(100);
/// When a caller whose request failed may try again.
pub(crate) const SOON: Duration = Duration::seconds(2);

/// The cached metadata and keys.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) metadata: Metadata,
    pub(crate) keys: CoreJsonWebKeySet,
    /// When metadata and keys were last fetched together.
    at: OffsetDateTime,
    /// When the keys were last fetched.
    keys_at: OffsetDateTime,
}

/// Fetches metadata and keys from the provider, and caches them.
pub(crate) struct Directory {
    pub(crate) config: ProviderConfig,
    pub(crate) http: Http,
    issuer: Url,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
    breaker: Breaker,
    token_breaker: Breaker,
    known: RwLock<Option<Arc<Known>>>,
    /// The number of finished attempts to fetch metadata and keys.
    flights: AtomicU64,
    /// Held while the provider is asked, so that there is one request at a time.
    flight: Mutex<Asked>,
}

/// The last failures to fetch, for all of it and for the keys alone.
#[derive(Debug, Default)]
struct Asked {
    for_all: Option<InVain>,
    for_keys: Option<InVain>,
}

#[derive(Debug, Clone, Copy)]
struct InVain {
    at: OffsetDateTime,
    error: ProviderError,
}

impl Directory {
    pub(crate) fn new(
        config: ProviderConfig,
        clock: Arc<dyn Clock>,
        random: Arc<dyn SecureRandom>,
    ) -> Result<Self, InvalidProvider> {
        Ok(Self {
            http: Http::new(&config)?,
            issuer: config.issuer_url()?,
            config,
            clock,
            random,
            breaker: Breaker::default(),
            token_breaker: Breaker::default(),
            known: RwLock::new(None),
            flights: AtomicU64::new(0),
            flight: Mutex::default(),
        })
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Metadata and keys. They are fetched if they are unknown or older than an hour. While stale ones may still be
    /// used, no other caller waits for the fetch. Before any are known, all callers that waited share its result.
    pub(crate) async fn current(&self) -> Result<Arc<Known>, ProviderError> {
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        let stale = self.stale();
        let before = self.flights.load(Ordering::Acquire);
        let mut asked = match (self.flight.try_lock(), stale) {
            (Ok(flight), _) => flight,
            (Err(_), Some(stale)) => return Ok(stale),
            (Err(_), None) => self.flight.lock().await,
        };
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        if let Some(in_vain) = asked.for_all {
            let was_awaited = self.flights.load(Ordering::Acquire) != before;
            let is_urgent = self.stale().is_none();
            if was_awaited || (!is_urgent && self.was_lately(in_vain.at)) {
                return self.stale().ok_or(in_vain.error);
            }
        }
        let fetched = self.asking(|| self.fetch_all()).await;
        self.flights.fetch_add(1, Ordering::Release);
        match fetched {
            Ok(known) => {
                *asked = Asked::default();
                Ok(self.remember(known))
            }
            // This includes metadata that cannot be trusted: they are not used.
            Err(error) => {
                let at = self.now();
                asked.for_all = Some(InVain { at, error });
                self.stale().ok_or(error)
            }
        }
    }

    /// Keys newer than those of `than`, which lack a token's key; `None` if it is too early to ask for them again.
    pub(crate) async fn newer_keys(
        &self,
        than: &Arc<Known>,
    ) -> Result<Option<Arc<Known>>, ProviderError> {
        let mut asked = self.flight.lock().await;
        if let Some(known) = self.remembered().filter(|known| !Arc::ptr_eq(known, than)) {
            return Ok(Some(known));
        }
        if self.was_lately(than.keys_at) {
            return Ok(None);
        }
        if let Some(in_vain) = asked.for_keys.filter(|it| self.was_lately(it.at)) {
            return Err(in_vain.error);
        }
        match self.asking(|| self.fetch_keys(&than.metadata)).await {
            Ok(keys) => {
                asked.for_keys = None;
                let known = Known {
                    metadata: than.metadata.clone(),
                    keys,
                    at: than.at,
                    keys_at: self.now(),
                };
                Ok(Some(self.remember(known)))
            }
            Err(error) => {
                let at = self.now();
                asked.for_keys = Some(InVain { at, error });
                Err(error)
            }
        }
    }

    fn was_lately(&self, at: OffsetDateTime) -> bool {
        self.now() - at < AT_MOST_EVERY
    }

    async fn fetch_all(&self) -> Result<Known, Failure> {
        let document = self.http.document(&Metadata::address(&self.issuer)).await?;
        let metadata = Metadata::read(&document, &self.issuer, &self.config)?;
        let keys = self.fetch_keys(&metadata).await?;
        let now = self.now();
        Ok(Known {
            metadata,
            keys,
            at: now,
            keys_at: now,
        })
    }

    async fn fetch_keys(&self, metadata: &Metadata) -> Result<CoreJsonWebKeySet, Failure> {
        let document = self.http.document(&metadata.jwks_uri).await?;
        Ok(key_set::read(&document)?)
    }

    /// Sends an idempotent request, with retries after a jittered pause, within [`PATIENCE`].
    async fn asking<T, F>(&self, ask: impl Fn() -> F) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.guarded(&self.breaker, async {
            let mut pause = FIRST_PAUSE;
            for _ in 1..TRIES {
                match ask().await {
                    Err(Failure::Http(error)) if is_passing(error) => {
                        let share =
                            f64::from(u16::from_be_bytes(random::bytes(self.random.as_ref())))
                                / f64::from(u16::MAX);
                        sleep(pause.mul_f64(0.8 + 0.4 * share)).await;
                        pause *= 2;
                    }
                    done => return done,
                }
            }
            ask().await
        })
        .await
    }

    /// Redeems a code at the token endpoint. It has its own circuit breaker, because a failure there does not mean that
    /// the keys cannot be fetched.
    pub(crate) async fn exchanging<T>(
        &self,
        exchange: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, ProviderError> {
        self.guarded(&self.token_breaker, exchange).await
    }

    /// Sends a request if the circuit breaker admits it, within [`PATIENCE`].
    async fn guarded<T>(
        &self,
        breaker: &Breaker,
        ask: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, ProviderError> {
        breaker
            .admit(self.now())
            .map_err(|retry_after| ProviderError::Unavailable { retry_after })?;
        let answer = timeout(PATIENCE, ask)
            .await
            .unwrap_or(Err(Failure::Http(HttpError::TooSlow)));
        match answer {
            Ok(answer) => {
                breaker.succeeded();
                Ok(answer)
            }
            Err(Failure::Http(error)) => {
                breaker.failed(self.now());
                let provider = &self.config.name;
                tracing::warn!(%error, provider, "the identity provider does not answer as it should");
                Err(ProviderError::Unavailable { retry_after: SOON })
            }
            Err(Failure::Told(error)) => {
                // The provider answered, even if with an error.
                breaker.succeeded();
                if let ProviderError::Untrustworthy(fault) = error {
                    tracing::error!(
                        fault,
                        provider = self.config.name,
                        "the identity provider's metadata is not to be trusted"
                    );
                }
                Err(error)
            }
        }
    }

    /// Whether a circuit is open: for metadata and keys, or for the token endpoint.
    pub(crate) fn rests(&self) -> bool {
        let now = self.now();
        self.breaker.is_open(now) || self.token_breaker.is_open(now)
    }

    fn remembered(&self) -> Option<Arc<Known>> {
        let known = self.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        let mut place = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::clone(&known));
        known
    }

    fn fresh(&self) -> Option<Arc<Known>> {
        self.remembered()
            .filter(|known| self.now() - known.at < FRESH)
    }

    fn stale(&self) -> Option<Arc<Known>> {
        self.remembered()
            .filter(|known| self.now() - known.at < STALE)
    }
}

/// Why there is no usable answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failure {
    /// No answer came, or none that helps.
    Http(HttpError),
    /// The answer itself is the failure.
    Told(ProviderError),
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Told(error)
    }
}

/// Whether the same request may succeed a moment later.
const fn is_passing(error: HttpError) -> bool {
    match error {
        HttpError::Unreached | HttpError::TooSlow | HttpError::Broken => true,
        HttpError::Status(status) => status >= 500,
        HttpError::TooLarge | HttpError::Unmade => false,
    }
}
