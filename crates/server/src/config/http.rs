//! `http.…` and `management.…`: the two listeners.

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread::available_parallelism,
    time::Duration,
};

use api_http::ApiConfig;
use ipnet::IpNet;
use url::Url;

use super::{Mode, connections::ConnectionSettings, kinds, reader::Reader};

/// The public listener.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `http.listen`. Default `127.0.0.1:8080`; port 0 binds a free port and logs it.
    pub listen: SocketAddr,
    /// `http.public_url`: the address of the service for clients. Default: the listener itself; required in
    /// production mode, with https.
    pub public_url: Option<Url>,
    /// `http.trusted_proxies`: networks whose `X-Forwarded-For` is trusted. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// `http.cors_origins`: origins whose scripts may call the API. Default none.
    pub cors_origins: Vec<String>,
    /// `http.max_body_bytes`: the largest body of a request. Default 16,384.
    pub max_body_bytes: usize,
    /// `http.request_deadline_seconds`: the time after which a request is answered with 503. Default 10.
    pub request_deadline: Duration,
    /// `http.drain_delay_seconds`: how long requests are still served as before after readiness reports draining.
    /// Default 5 in production mode, otherwise 0; at most 15 of the 25 seconds of the drain.
    pub drain_delay: Duration,
    /// `http.workers`: threads that serve requests. Default: cores.
    pub workers: usize,
    /// Connection limits and deadlines.
    pub connections: ConnectionSettings,
}

impl HttpSettings {
    pub(super) fn read(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let drain_delay = match mode {
            Mode::Development => 0,
            Mode::Production => 5,
        };
        let settings = Self {
            listen: reader
                .setting("http.listen", kinds::address)
                .unwrap_or(loopback(8080)),
            public_url: reader.setting("http.public_url", kinds::web_url),
            trusted_proxies: reader
                .setting("http.trusted_proxies", kinds::list(kinds::network))
                .unwrap_or_default(),
            cors_origins: reader
                .setting("http.cors_origins", kinds::list(kinds::origin))
                .unwrap_or_default(),
            max_body_bytes: reader
                .setting("http.max_body_bytes", kinds::number(1_024..=10_485_760))
                .unwrap_or(ApiConfig::DEFAULT_MAX_BODY_BYTES),
            request_deadline: reader
                .setting("http.request_deadline_seconds", kinds::number(1..=120))
                .map_or(ApiConfig::DEFAULT_REQUEST_DEADLINE, Duration::from_secs),
            drain_delay: Duration::from_secs(
                reader
                    .setting("http.drain_delay_seconds", kinds::number(0..=15))
                    .unwrap_or(drain_delay),
            ),
            workers: reader
                .setting("http.workers", kinds::number(1..=512))
                .unwrap_or_else(cores),
            connections: ConnectionSettings::read(reader),
        };
        reader.default_is("http.drain_delay_seconds", drain_delay);
        reader.default_is("http.workers", settings.workers);
        settings
    }
}

/// The listener for health checks, metrics and, in production mode, the API's page.
#[derive(Debug, Clone)]
pub struct ManagementSettings {
    /// `management.listen`. Default `127.0.0.1:9090`; port 0 binds a free port and logs it.
    pub listen: SocketAddr,
    /// `management.max_connections`: the most connections to it. Default 64; file descriptors are reserved for
    /// them, independent of the number of clients.
    pub most_connections: usize,
}

impl ManagementSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            listen: reader
                .setting("management.listen", kinds::address)
                .unwrap_or(loopback(9090)),
            most_connections: reader
                .setting("management.max_connections", kinds::number(4..=10_000))
                .unwrap_or(64),
        }
    }
}

/// The number of threads that can run in parallel.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
