//! `events.…`: the relay of events to other systems.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use adapters_webhooks::{Reach, SigningSecret, Target, TargetPolicy};
use figment::value::Value;
use ipnet::IpNet;
use secrecy::SecretString;
use time::Duration as Days;

use super::{
    Config, Mistake, Mode,
    kinds::{self, Parsed},
    reader::Reader,
};

/// A kind of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkChoice {
    /// `log`: a line in the log of this node.
    Log,
    /// `redis`: a Redis stream.
    Redis,
    /// `webhook`: every receiver under `events.webhooks`.
    Webhook,
}

/// The relay and its destinations.
#[derive(Debug, Clone)]
pub struct EventSettings {
    /// `events.sinks`: `log`, `redis`, `webhook`, or several. Default `log` in development mode; otherwise none,
    /// and this node relays nothing.
    pub sinks: Vec<SinkChoice>,
    /// `events.source`: CloudEvents `source`. Default `urn:fashionistar:auth`.
    pub source: String,
    /// `events.redis_stream`: the key of the stream. Default `events` after `redis.key_prefix`.
    pub redis_stream: Option<String>,
    /// `events.redis_stream_length`: the approximate maximum number of entries in it. Default 100,000.
    pub redis_stream_length: u64,
    /// `events.webhooks.NAME.…`, by name.
    pub webhooks: Vec<WebhookSettings>,
    /// `events.webhook_networks`: networks besides the public internet that webhooks may connect to. Default none.
    /// `events.allow_loopback`: allows them to connect to this machine, also by http. Default false; refused in
    /// production mode.
    pub reach: Reach,
    /// `events.delivery_deadline_milliseconds`: the time limit of one delivery. Default 10,000. The lease of a node
    /// on an event lasts three times as long.
    pub delivery_deadline: Duration,
    /// `events.poll_milliseconds`: how often a node checks for events of other nodes. Default 1,000.
    pub poll: Duration,
    /// `events.most_attempts`: attempts before an event is parked. Default 48, which takes a day and a half.
    pub most_attempts: u32,
    /// `events.retention_days`: how long events are kept after every destination has received them. Default 7.
    pub retention: Days,
}

impl EventSettings {
    /// The full name of the stream: as set, or the default name after `key_prefix`.
    pub(crate) fn stream_after(&self, key_prefix: &str) -> String {
        let set = self.redis_stream.clone();
        set.unwrap_or_else(|| format!("{key_prefix}events"))
    }
}

/// A webhook receiver.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// The name of its section.
    pub name: String,
    /// `url`: the https URL to post to.
    pub target: Option<Target>,
    /// `secrets`: one `whsec_…`, or two during a rotation, the current one first.
    pub secrets: Vec<SigningSecret>,
    /// `types`: the event types to deliver. Default all.
    pub types: Vec<String>,
}

impl EventSettings {
    pub(super) fn read(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let sinks = &[
            ("log", SinkChoice::Log),
            ("redis", SinkChoice::Redis),
            ("webhook", SinkChoice::Webhook),
        ];
        let by_default = match mode {
            Mode::Development => vec![SinkChoice::Log],
            Mode::Production => Vec::new(),
        };
        let policy = TargetPolicy {
            ports: reader
                .setting(
                    "events.webhook_ports",
                    kinds::list(kinds::number(1..=65_535)),
                )
                .unwrap_or_default(),
            reach: Reach {
                networks: reader
                    .setting("events.webhook_networks", kinds::list(private_network))
                    .unwrap_or_default(),
                loopback: reader
                    .setting("events.allow_loopback", kinds::flag)
                    .unwrap_or_default(),
            },
        };
        let names = reader.sections("events.webhooks");
        let chosen = reader.setting("events.sinks", kinds::list(kinds::choice(sinks)));
        if mode == Mode::Development {
            reader.default_is("events.sinks", "log");
        }
        Self {
            sinks: chosen.unwrap_or(by_default),
            source: reader
                .setting("events.source", uri)
                .unwrap_or_else(|| "urn:fashionistar:auth".to_owned()),
            redis_stream: reader.setting("events.redis_stream", kinds::text),
            redis_stream_length: reader
                .setting(
                    "events.redis_stream_length",
                    kinds::number(1_000..=100_000_000),
                )
                .unwrap_or(100_000),
            reach: policy.reach.clone(),
            delivery_deadline: Duration::from_millis(
                reader
                    .setting(
                        "events.delivery_deadline_milliseconds",
                        kinds::number(100..=10_000),
                    )
                    .unwrap_or(10_000),
            ),
            poll: Duration::from_millis(
                reader
                    .setting("events.poll_milliseconds", kinds::number(20..=60_000))
                    .unwrap_or(1_000),
            ),
            most_attempts: reader
                .setting("events.most_attempts", kinds::number(1..=1_000))
                .unwrap_or(48),
            retention: Days::days(
                reader
                    .setting("events.retention_days", kinds::number::<u32>(1..=3_650))
                    .unwrap_or(7)
                    .into(),
            ),
            webhooks: names
                .into_iter()
                .map(|name| WebhookSettings::read(reader, name, &policy))
                .collect(),
        }
    }

    /// Conflicts between settings, in the order of the documentation.
    pub(super) fn mistakes(&self, config: &Config) -> Vec<Mistake> {
        let mut found = Vec::new();
        let uses = |sink| self.sinks.contains(&sink);
        if uses(SinkChoice::Redis) && config.redis.url.is_none() {
            let reason = "must be set when events.sinks has redis";
            found.push(config.mistake("redis.url", reason));
        }
        if uses(SinkChoice::Webhook) && self.webhooks.is_empty() {
            let reason = "has webhook, but there is no events.webhooks.NAME.url";
            found.push(config.mistake("events.sinks", reason));
        }
        if !uses(SinkChoice::Webhook) && !self.webhooks.is_empty() {
            let reason = "must have webhook when there are events.webhooks: nobody would call them";
            found.push(config.mistake("events.sinks", reason));
        }
        if config.is_production() && self.reach.loopback {
            let reason = "must not be set in production mode: it lets webhooks go to this machine";
            found.push(config.mistake("events.allow_loopback", reason));
        }
        if config.is_production() && self.reach.networks.iter().any(leads_to_this_machine) {
            let reason = "must not hold loopback or link-local networks in production mode: they let webhooks go \
                          to this machine, or to what the cloud tells machines alone";
            found.push(config.mistake("events.webhook_networks", reason));
        }
        for webhook in &self.webhooks {
            webhook.find_mistakes(config, &mut found);
        }
        found
    }
}

impl WebhookSettings {
    fn read(reader: &mut Reader<'_>, name: String, policy: &TargetPolicy) -> Self {
        let of = |key: &str| format!("events.webhooks.{name}.{key}");
        let secrets: Option<Vec<SecretString>> =
            reader.setting(&of("secrets"), kinds::list(signing_secret));
        Self {
            target: reader.setting(&of("url"), |value| {
                let text = kinds::text(value)?;
                Target::parse(&text, policy).map_err(|error| error.to_string())
            }),
            // The secrets were parsed successfully before.
            secrets: secrets
                .iter()
                .flatten()
                .filter_map(|secret| SigningSecret::parse(secret).ok())
                .collect(),
            types: reader
                .setting(&of("types"), kinds::list(kinds::text))
                .unwrap_or_default(),
            name,
        }
    }

    /// The destination's name in the queue.
    pub fn destination(&self) -> String {
        format!("webhook:{}", self.name)
    }

    /// A setting whose value was rejected is in the list already.
    fn find_mistakes(&self, config: &Config, found: &mut Vec<Mistake>) {
        let mut refuse = |key: &str, reason: &str| {
            let setting = format!("events.webhooks.{}.{key}", self.name);
            found.push(config.mistake(&setting, reason));
        };
        let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if self.name.len() > 40 || !self.name.bytes().all(is_word) {
            let reason = "the name of a receiver must be 1 to 40 of a–z, 0–9, _ and -";
            refuse("url", reason);
        }
        let is_set = |key: &str| config.is_set(&format!("events.webhooks.{}.{key}", self.name));
        if self.target.is_none() && !is_set("url") {
            refuse("url", "must be set");
        }
        match self.secrets.len() {
            1 | 2 => {}
            0 if is_set("secrets") => {}
            0 => refuse("secrets", "must be set"),
            _ => refuse("secrets", "must be one secret, or two while they change"),
        }
    }
}

/// A private network must be narrow enough to be intended: up to a whole private range of the registry, but not
/// half of the internet.
fn private_network(value: &Value) -> Parsed<IpNet> {
    let network = kinds::network(value)?;
    let widest = match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 7,
    };
    if network.prefix_len() < widest {
        return Err("must be networks of /8 or narrower, with IPv6 of /7 or narrower".to_owned());
    }
    Ok(network)
}

/// Whether the network contains, or lies in, one of the networks of this machine: the unspecified and loopback
/// addresses, and the link-local addresses, such as the metadata service of a cloud.
fn leads_to_this_machine(network: &IpNet) -> bool {
    let near = [
        (IpAddr::from(Ipv4Addr::UNSPECIFIED), 8),
        (Ipv4Addr::new(127, 0, 0, 0).into(), 8),
        (Ipv4Addr::new(169, 254, 0, 0).into(), 16),
        // Unspecified and loopback.
        (Ipv6Addr::UNSPECIFIED.into(), 127),
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).into(), 10),
        // IPv4-mapped IPv6.
        (Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().into(), 104),
        (Ipv4Addr::new(127, 0, 0, 0).to_ipv6_mapped().into(), 104),
        (Ipv4Addr::new(169, 254, 0, 0).to_ipv6_mapped().into(), 112),
    ];
    near.into_iter()
        .map(|(address, length)| IpNet::new_assert(address, length))
        .any(|near| near.contains(network) || network.contains(&near))
}

fn uri(value: &Value) -> Parsed<String> {
    let text = kinds::text(value)?;
    match url::Url::parse(&text) {
        Ok(_) if !text.contains(char::is_whitespace) => Ok(text),
        _ => Err("must be a URI, such as urn:fashionistar:auth".to_owned()),
    }
}

/// Parses the secret as text, because the reader recognizes a secret by its type.
fn signing_secret(value: &Value) -> Parsed<SecretString> {
    let secret = kinds::secret(value)?;
    match SigningSecret::parse(&secret) {
        Ok(_) => Ok(secret),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
