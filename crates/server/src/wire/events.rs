//! The destinations of events, and the relays to them.

use std::{sync::Arc, time::Duration as Wait};

use adapters_crypto::SystemRandom;
use adapters_memory::EventLog;
use adapters_redis::{RedisConnection, RedisEventStream};
use adapters_webhooks::{WebhookConfig, WebhookSink};
use api_http::{Draining, Vitals};
use authentication_app::{
    events::{Destination, Events, Relay, RelayPorts, RelayRules},
    ports::{EventSink, EventTarget, Label as _},
};
use identity_adapters_postgres::Store;
use time::Duration;

use super::{clock::Clocks, ephemeral, readiness::Readiness, store};
use crate::{
    StartError,
    config::{Config, Mistakes, SinkChoice, WebhookSettings},
    telemetry::Metrics,
    workers::Workers,
};

/// The dependencies of the relays.
pub(super) struct Relays<'a> {
    pub(super) ports: RelayPorts,
    pub(super) redis: Option<&'a RedisConnection>,
}

/// A destination, and the sink that delivers to it.
type Served = (Destination, Arc<dyn EventSink>);

impl Relays<'_> {
    /// Starts a worker for each destination.
    pub(super) fn start(
        &self,
        config: &Config,
        store: &Store,
        workers: &mut Workers,
    ) -> Result<(), StartError> {
        let events = &config.events;
        let deadline = Duration::try_from(events.delivery_deadline).unwrap_or(Duration::SECOND);
        let rules = RelayRules {
            source: events.source.clone(),
            deadline,
            lease: deadline * 3,
            most_attempts: events.most_attempts,
        };
        for (destination, sink) in self.destinations(config)? {
            let relay = Relay::new(self.ports.clone(), destination, sink, rules.clone());
            workers.relay_events(relay, store.events_committed(), events.poll);
        }
        Ok(())
    }

    fn destinations(&self, config: &Config) -> Result<Vec<Served>, StartError> {
        let mut all: Vec<Served> = Vec::new();
        let whole = |target: EventTarget| Destination {
            name: target.as_str().to_owned(),
            target,
            types: Vec::new(),
        };
        let kinds = [SinkChoice::Log, SinkChoice::Redis, SinkChoice::Webhook];
        let chosen = |sink: &SinkChoice| config.events.sinks.contains(sink);
        for sink in kinds.into_iter().filter(chosen) {
            match sink {
                SinkChoice::Log => all.push((whole(EventTarget::Log), Arc::new(EventLog))),
                SinkChoice::Redis => {
                    let stream = self.redis.map(|redis| redis_stream(config, redis));
                    let stream = stream.ok_or_else(|| not_configured(config, "redis.url"))?;
                    all.push((whole(EventTarget::Redis), Arc::new(stream)));
                }
                SinkChoice::Webhook => {
                    for webhook in &config.events.webhooks {
                        let sink = webhook_sink(config, webhook)?;
                        let destination = Destination {
                            name: webhook.destination(),
                            target: EventTarget::Webhook,
                            types: webhook.types.clone(),
                        };
                        all.push((destination, Arc::new(sink)));
                    }
                }
            }
        }
        Ok(all)
    }
}

fn redis_stream(config: &Config, redis: &RedisConnection) -> RedisEventStream {
    let events = &config.events;
    let key = events.stream_after(&config.redis.key_prefix);
    RedisEventStream::new(redis, key, events.redis_stream_length)
}

fn webhook_sink(config: &Config, webhook: &WebhookSettings) -> Result<WebhookSink, StartError> {
    let setting = format!("events.webhooks.{}.url", webhook.name);
    let target = webhook.target.clone();
    let settings = WebhookConfig {
        target: target.ok_or_else(|| not_configured(config, &setting))?,
        secrets: webhook.secrets.clone(),
        deadline: config.events.delivery_deadline,
        reach: config.events.reach.clone(),
    };
    WebhookSink::new(settings)
        .map_err(|error| Mistakes::from(config.mistake(&setting, error.to_string())).into())
}

fn not_configured(config: &Config, setting: &str) -> StartError {
    Mistakes::from(config.mistake(setting, "must be set")).into()
}

/// A node that only relays events.
pub(crate) struct RelayNode {
    pub(crate) vitals: Vitals,
    pub(crate) metrics: Arc<Metrics>,
    workers: Workers,
    store: Arc<Store>,
    grace: Wait,
}

impl RelayNode {
    /// Starts the relays.
    pub(crate) async fn start(config: &Config) -> Result<Self, StartError> {
        // For TLS. An error means that a provider is installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let metrics = Arc::new(Metrics::start(config.telemetry.otlp_endpoint.as_ref())?);
        let clocks = Clocks::new(None, None);
        let clock = Arc::clone(&clocks.clock);
        let store = Arc::new(store::open(config, clock.as_ref()).await?);
        metrics.watch_connections(&store);
        let redis = ephemeral::connect(config).await?;
        let mut workers = Workers::new(Arc::new(SystemRandom));
        clocks.keep(&store, &mut workers).await?;
        metrics.watch_clock(Arc::clone(&clocks.figures));
        let relays = Relays {
            ports: RelayPorts {
                queue: store.clone(),
                clock: Arc::clone(&clock),
                random: Arc::new(SystemRandom),
                meter: metrics.meter(),
            },
            redis: redis.as_ref(),
        };
        relays.start(config, &store, &mut workers)?;
        let events = Events::new(store.clone(), clock);
        workers.watch_events(events, metrics.meter());
        Ok(Self {
            vitals: Vitals {
                readiness: Arc::new(Readiness::new(
                    store.clone(),
                    redis,
                    clocks.of_the_machine(),
                )),
                draining: Draining::default(),
                meter: metrics.clone(),
            },
            metrics,
            workers,
            store,
            grace: config.events.delivery_deadline + Wait::from_secs(2),
        })
    }

    /// Stops the node after deliveries in progress have ended.
    pub(crate) async fn stop(self) {
        self.vitals.draining.begin();
        self.workers.stop(self.grace).await;
        self.store.close().await;
    }
}

/// The commands of an operator that concern events.
pub(crate) struct EventDesk {
    pub(crate) events: Events,
    store: Arc<Store>,
}

impl EventDesk {
    /// Opens the store of the configured service. The schema must be migrated already.
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let (store, clock) = store::open_migrated(config).await?;
        Ok(Self {
            events: Events::new(store.clone(), clock),
            store,
        })
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}
