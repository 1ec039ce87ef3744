//! The HTTP client for gateways.

use std::{fmt, time::Duration};

use authentication_app::ports::DeliveryError;
use reqwest::{Certificate, Client, RequestBuilder, redirect, retry, tls};
use time::OffsetDateTime;
use url::Url;

use super::answer;
use crate::unreached;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidGateway {
    /// The authorities' certificates cannot be read.
    #[error("the certificates of the authorities cannot be read (PEM)")]
    Authorities,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client,
    /// The URL cannot be the base of the account's URL.
    #[error("the URL cannot be the beginning of another")]
    Url,
}

/// The URL of a gateway. `Debug` shows its scheme and host only: many gateways want their key in the query.
#[derive(Clone, PartialEq, Eq)]
pub struct GatewayUrl(pub Url);

impl fmt::Debug for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "GatewayUrl({}://{host}/…)", self.0.scheme())
    }
}

/// A client that sends one request and nothing else: no redirects, no automatic retries, no proxy. It reuses no
/// connection, because if a reused one closes during a request, the fate of that request is unknown.
pub(super) fn client(
    url: &GatewayUrl,
    timeout: Duration,
    ca_pem: Option<&[u8]>,
) -> Result<Client, InvalidGateway> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .https_only(url.0.scheme() == "https")
        .tls_version_min(tls::Version::TLS_1_2)
        .pool_max_idle_per_host(0)
        .connect_timeout(timeout)
        .timeout(timeout)
        .user_agent("fashionistar-auth");
    if let Some(pem) = ca_pem {
        let authorities =
            Certificate::from_pem_bundle(pem).map_err(|_| InvalidGateway::Authorities)?;
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(|_| InvalidGateway::Client)
}

/// Sends a request once. Only the status and `Retry-After` of the answer are read.
pub(super) async fn send(
    request: RequestBuilder,
    now: OffsetDateTime,
) -> Result<(), DeliveryError> {
    match request.send().await {
        Ok(answer) => {
            let retry_after = answer.headers().get(reqwest::header::RETRY_AFTER);
            let retry_after = retry_after.and_then(|value| value.to_str().ok());
            answer::meaning(answer.status().as_u16(), retry_after, now)
        }
        // Without a connection, nothing was sent.
        Err(error) if error.is_connect() => {
            let cause = if error.is_timeout() {
                unreached::SILENT
            } else {
                unreached::cause(&error)
            };
            tracing::warn!(cause, "the gateway of text messages cannot be used");
            Err(DeliveryError::UNREACHED)
        }
        Err(error) if error.is_builder() => Err(DeliveryError::Refused { status: None }),
        Err(_) => Err(DeliveryError::Unknown),
    }
}
