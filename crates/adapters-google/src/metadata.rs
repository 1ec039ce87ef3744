//! A provider's metadata (OpenID Connect Discovery 1.0 §3, RFC 8414), and how far they are trusted.

use authentication_app::ports::ProviderError;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{ProviderConfig, config::is_reachable_safely, token::if_it_can_be_read};

/// The members of the document that are used here.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// A string that says so counts too, because it makes us stricter.
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    authorization_response_iss_parameter_supported: Option<Value>,
}

/// The metadata that may be trusted.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    /// Whether the client secret is sent in the body instead of the `Authorization` header.
    pub(crate) secret_in_body: bool,
    /// Whether authorization responses name their issuer (`iss`, RFC 9207).
    pub(crate) answers_name_the_issuer: bool,
}

impl Metadata {
    /// The URL of the document. It is appended to the issuer's path, not resolved against it, since an issuer may have
    /// one.
    pub(crate) fn address(issuer: &Url) -> Url {
        let mut address = issuer.clone();
        let path = issuer.path().trim_end_matches('/');
        address.set_path(&format!("{path}/.well-known/openid-configuration"));
        address
    }

    /// Parses the document and refuses what leads away from the provider: the document of another issuer (mix-up, RFC
    /// 9700 §4.4), and keys or endpoints on a host that is not trusted.
    ///
    /// # Errors
    /// [`ProviderError::Untrustworthy`].
    pub(crate) fn read(
        document: &[u8],
        issuer: &Url,
        config: &ProviderConfig,
    ) -> Result<Self, ProviderError> {
        let unreadable = ProviderError::Untrustworthy("it cannot be read");
        // As text first, because serde does not check the encoding of the members that it skips.
        let document = std::str::from_utf8(document).map_err(|_| unreadable)?;
        let document: Document = serde_json::from_str(document).map_err(|_| unreadable)?;
        if document.issuer != config.issuer {
            return Err(ProviderError::Untrustworthy("it is another issuer's"));
        }
        let stays_at_home = |url: &Url| {
            let is_own = url.scheme() == issuer.scheme()
                && url.host_str() == issuer.host_str()
                && url.port_or_known_default() == issuer.port_or_known_default();
            let is_trusted = url.scheme() == "https"
                && url.port().is_none()
                && url.host_str().is_some_and(|host| {
                    config
                        .trusted_hosts
                        .iter()
                        .any(|it| it.eq_ignore_ascii_case(host))
                });
            let is_plain = url.username().is_empty() && url.password().is_none();
            is_plain && is_reachable_safely(url, config.allow_loopback) && (is_own || is_trusted)
        };
        for (url, fault) in [
            (
                &document.jwks_uri,
                "its keys are on a host that is not trusted",
            ),
            (
                &document.token_endpoint,
                "its token endpoint is on a host that is not trusted",
            ),
            (
                &document.authorization_endpoint,
                "its authorization endpoint is on a host that is not trusted",
            ),
        ] {
            if !stays_at_home(url) {
                return Err(ProviderError::Untrustworthy(fault));
            }
        }
        // The default is `client_secret_basic` (OpenID Connect Discovery 1.0 §3).
        let secret_in_body = document
            .token_endpoint_auth_methods_supported
            .is_some_and(|methods| !methods.iter().any(|it| it == "client_secret_basic"));
        Ok(Self {
            authorization_endpoint: document.authorization_endpoint,
            token_endpoint: document.token_endpoint,
            jwks_uri: document.jwks_uri,
            secret_in_body,
            answers_name_the_issuer: document
                .authorization_response_iss_parameter_supported
                .is_some_and(|it| it == true || it == "true"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config() -> ProviderConfig {
        ProviderConfig {
            name: "google".to_owned(),
            issuer: ProviderConfig::GOOGLE.to_owned(),
            client_ids: vec!["site".to_owned()],
            client_secret: None,
            trusted_hosts: ProviderConfig::GOOGLES_HOSTS
                .map(ToOwned::to_owned)
                .to_vec(),
            allow_loopback: false,
        }
    }

    fn googles() -> Value {
        json!({
            "issuer": "https://accounts.google.com",
            "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
            "token_endpoint": "https://oauth2.googleapis.com/token",
            "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            "response_types_supported": ["code"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        })
    }

    fn read(document: &Value) -> Result<Metadata, ProviderError> {
        let config = config();
        let issuer = config.issuer_url().unwrap();
        Metadata::read(document.to_string().as_bytes(), &issuer, &config)
    }

    #[test]
    fn googles_document_is_believed() {
        let metadata = read(&googles()).unwrap();
        assert!(!metadata.secret_in_body && !metadata.answers_name_the_issuer);
        let issuer = config().issuer_url().unwrap();
        let address = "https://accounts.google.com/.well-known/openid-configuration";
        assert_eq!(Metadata::address(&issuer).as_str(), address);
        let issuer = "https://id.example/tenant/".parse().unwrap();
        let address = "https://id.example/tenant/.well-known/openid-configuration";
        assert_eq!(Metadata::address(&issuer).as_str(), address);
    }

    /// Threat T35: metadata that lead to another host or issuer.
    #[test]
    fn a_document_that_leads_away_is_refused() {
        for (field, value) in [
            ("issuer", "https://accounts.google.com/"),
            ("issuer", "https://accounts.google.com.evil"),
            ("issuer", "https://ACCOUNTS.google.com"),
            ("jwks_uri", "https://evil.example/certs"),
            ("jwks_uri", "http://www.googleapis.com/oauth2/v3/certs"),
            ("jwks_uri", "https://www.googleapis.com:8443/certs"),
            ("jwks_uri", "https://www.googleapis.com@evil.example/certs"),
            ("jwks_uri", "https://evil@www.googleapis.com/certs"),
            ("jwks_uri", "file:///etc/passwd"),
            ("jwks_uri", "http://127.0.0.1/certs"),
            ("token_endpoint", "https://googleapis.com/token"),
            ("token_endpoint", "https://x.oauth2.googleapis.com/token"),
            (
                "authorization_endpoint",
                "https://accounts.google.com.evil/auth",
            ),
            ("authorization_endpoint", "javascript:alert(1)"),
            ("authorization_endpoint", "nonsense"),
        ] {
            let mut document = googles();
            document[field] = value.into();
            let refused = read(&document);
            assert!(
                matches!(refused, Err(ProviderError::Untrustworthy(_))),
                "{field} {value}"
            );
        }
    }
}
