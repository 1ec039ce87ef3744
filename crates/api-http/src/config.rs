//! The settings of the HTTP interface.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

/// Settings of both listeners. The composition root reads and validates them.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Networks whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks without limits by address (load tests). Never set in production.
    pub exempt_networks: Vec<IpNet>,
    /// Origins that browsers may call from, exactly as a browser sends them: `https://shop.example`.
    pub cors_origins: Vec<String>,
    /// The address of this service for clients, without a trailing slash; published in the metadata document.
    pub public_url: String,
    /// Whether the public listener serves `/docs` and `/openapi.json` as well.
    pub docs_on_public: bool,
    /// Whether routes that exist for development only are served.
    pub development: bool,
    /// The longest body that is read, in bytes.
    pub max_body_bytes: usize,
    /// The time limit of one request, including reading its body, after which the client gets a 503.
    pub request_deadline: Duration,
}

impl ApiConfig {
    /// The default for the longest body, in bytes.
    pub const DEFAULT_MAX_BODY_BYTES: usize = 16 * 1024;
    /// The default time limit of one request.
    pub const DEFAULT_REQUEST_DEADLINE: Duration = Duration::from_secs(10);

    pub(crate) fn is_exempt(&self, address: IpAddr) -> bool {
        contains(&self.exempt_networks, address)
    }

    pub(crate) fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        contains(&self.trusted_proxies, address)
    }
}

impl Default for ApiConfig {
    /// Production on loopback: no trusted proxies, no exempt networks.
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
