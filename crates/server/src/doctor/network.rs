//! Whether a server listens on an address that the service connects to.

use std::io;

use secrecy::{ExposeSecret as _, SecretString};
use sentry::types::Dsn;
use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::Finding;
use crate::config::Config;

/// A host and a port where a server is expected.
pub(super) struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
        }
    }

    /// The server of a URL; `None` if it names none, as for a Unix domain socket.
    pub(super) fn of(url: &SecretString, default_port: u16) -> Option<Self> {
        let url = Url::parse(url.expose_secret()).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?;
        Some(Self::new(host, url.port().unwrap_or(default_port)))
    }

    /// Why no server can be reached there, if so.
    pub(super) async fn trouble(&self) -> Option<String> {
        let Self { host, port } = self;
        let addresses: Vec<_> = match lookup_host((host.as_str(), *port)).await {
            Ok(addresses) => addresses.collect(),
            Err(_) => return Some(format!("the name {host} is not known to the resolver")),
        };
        match TcpStream::connect(addresses.as_slice()).await {
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Some(format!("nothing listens on {host}:{port}"))
            }
            Err(error) => Some(format!("{host}:{port} cannot be reached: {error}")),
        }
    }
}

pub(super) async fn look_at_collector(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "telemetry";
    let Some(endpoint) = &config.telemetry.otlp_endpoint else {
        return vec![Finding::ok(CHECK, "traces and metrics go to no collector")];
    };
    let port = endpoint.port_or_known_default().unwrap_or(4318);
    let address = Address::new(endpoint.host_str().unwrap_or_default(), port);
    vec![match address.trouble().await {
        None => Finding::ok(CHECK, "the collector listens"),
        Some(trouble) => Finding::warns(CHECK, trouble).do_this(
            "start the collector, or correct telemetry.otlp_endpoint; the service runs without it",
        ),
    }]
}

pub(super) async fn look_at_sentry(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "sentry";
    let dsn = config.telemetry.sentry_dsn.as_ref();
    let Some(dsn) = dsn.and_then(|dsn| dsn.expose_secret().parse::<Dsn>().ok()) else {
        return Vec::new();
    };
    vec![match Address::new(dsn.host(), dsn.port()).trouble().await {
        None => Finding::ok(CHECK, "it listens"),
        Some(trouble) => Finding::warns(CHECK, trouble)
            .do_this("correct telemetry.sentry_dsn; the service runs without it"),
    }]
}
