//! The configuration of a provider.

use secrecy::SecretString;
use url::Url;

/// The provider, and the service's registration as its client.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// The provider's name in the log.
    pub name: String,
    /// The issuer, exactly as ID tokens have it.
    pub issuer: String,
    /// The client ids of this service: the site's first, then those of apps. ID tokens for any of them are accepted;
    /// the code flow uses the first one.
    pub client_ids: Vec<String>,
    /// The secret of the first client, if it has one.
    pub client_secret: Option<SecretString>,
    /// Hosts that the provider's metadata may name, in addition to the issuer's own.
    pub trusted_hosts: Vec<String>,
    /// Accepts `http` URLs to this machine. For development and tests.
    pub allow_loopback: bool,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidProvider {
    /// The URL cannot be an issuer.
    #[error("the issuer must be an https URL without user name, query and fragment")]
    Issuer,
    /// There is no client id.
    #[error("there must be a client id")]
    ClientIds,
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl ProviderConfig {
    /// Google's own issuer.
    pub const GOOGLE: &'static str = "https://accounts.google.com";
    /// The hosts of Google's endpoints other than the issuer's host.
    pub const GOOGLES_HOSTS: [&'static str; 2] = ["oauth2.googleapis.com", "www.googleapis.com"];

    /// Google's issuer as older ID tokens have it (Google Identity, "Verify the Google ID token on your server side").
    const GOOGLE_WITHOUT_SCHEME: &'static str = "accounts.google.com";

    /// Whether `name` is the provider's own identifier, compared exactly. Only Google has two.
    pub(crate) fn is_issuer(&self, name: &str) -> bool {
        let is_google = self.issuer == Self::GOOGLE;
        name == self.issuer || (is_google && name == Self::GOOGLE_WITHOUT_SCHEME)
    }

    pub(crate) fn issuer_url(&self) -> Result<Url, InvalidProvider> {
        let url = Url::parse(&self.issuer).map_err(|_| InvalidProvider::Issuer)?;
        let is_bare = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if is_bare && is_reachable_safely(&url, self.allow_loopback) {
            Ok(url)
        } else {
            Err(InvalidProvider::Issuer)
        }
    }
}

/// Whether the URL uses TLS, or points to this machine where that is allowed.
pub(crate) fn is_reachable_safely(url: &Url, allow_loopback: bool) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => allow_loopback && is_this_machine(url),
        _ => false,
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(issuer: &str) -> ProviderConfig {
        ProviderConfig {
            name: "id".to_owned(),
            issuer: issuer.to_owned(),
            client_ids: Vec::new(),
            client_secret: None,
            trusted_hosts: Vec::new(),
            allow_loopback: false,
        }
    }

    #[test]
    fn google_alone_may_leave_the_scheme_out() {
        let google = of(ProviderConfig::GOOGLE);
        for (name, is_google) in [
            ("https://accounts.google.com", true),
            ("accounts.google.com", true),
            ("http://accounts.google.com", false),
            ("//accounts.google.com", false),
            ("accounts.google.com/", false),
            ("Accounts.google.com", false),
            ("accounts.google.com.evil", false),
            ("", false),
        ] {
            assert_eq!(google.is_issuer(name), is_google, "{name}");
        }
        let other = of("https://id.example.com");
        assert!(other.is_issuer("https://id.example.com"));
        assert!(!other.is_issuer("id.example.com") && !other.is_issuer("accounts.google.com"));
    }
}
