//! What an operator may decide about the HTTP interface.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

/// Settings of both listeners. The composition root reads and checks them.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that the limits by address do not count (load runs). Never set in production.
    pub exempt_networks: Vec<IpNet>,
    /// Origins that browsers may call from, each exactly as a browser sends it: `https://shop.example`.
    pub cors_origins: Vec<String>,
    /// Where clients reach this service, without a trailing slash; the metadata document names it.
    pub public_url: String,
    /// Whether the public listener serves `/docs` and `/openapi.json` as well.
    pub docs_on_public: bool,
    /// Whether routes that exist for development only are served.
    pub development: bool,
    /// Longest body that is read.
    pub max_body_bytes: usize,
    /// How long one request may take, reading its body included, before the client gets a 503.
    pub request_deadline: Duration,
}

impl ApiConfig {
    /// Longest body that is read when nobody says.
    pub const DEFAULT_MAX_BODY_BYTES: usize = 16 * 1024;
    /// How long one request may take when nobody says.
    pub const DEFAULT_REQUEST_DEADLINE: Duration = Duration::from_secs(10);

    pub(crate) fn is_exempt(&self, address: IpAddr) -> bool {
        contains(&self.exempt_networks, address)
    }

    pub(crate) fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        contains(&self.trusted_proxies, address)
    }
}

impl Default for ApiConfig {
    /// Production on loopback: nobody is believed, nothing is exempt.
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            exempt_networks: Vec::new(),
            cors_origins: Vec::new(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            docs_on_public: false,
            development: false,
            max_body_bytes: Self::DEFAULT_MAX_BODY_BYTES,
            request_deadline: Self::DEFAULT_REQUEST_DEADLINE,
        }
    }
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
