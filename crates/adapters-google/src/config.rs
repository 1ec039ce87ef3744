//! What a provider is configured with.

use secrecy::SecretString;
use url::Url;

/// The provider, and who we are to it.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// What it is called here: for the log.
    pub name: String,
    /// The issuer, to the letter, as ID tokens have it.
    pub issuer: String,
    /// Who we are: the client of the site first, then those of apps. ID tokens for any of them count; the code
    /// flow is the first one's.
    pub client_ids: Vec<String>,
    /// The secret of the first client, if it has one.
    pub client_secret: Option<SecretString>,
    /// Hosts beside the issuer's own that its metadata may name.
    pub trusted_hosts: Vec<String>,
    /// Takes `http` to this machine. For development and tests.
    pub allow_loopback: bool,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidProvider {
    /// Not a URL that can be an issuer.
    #[error("the issuer must be an https URL without user name, query and fragment")]
    Issuer,
    /// Nobody we could be.
    #[error("there must be a client id")]
    ClientIds,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl ProviderConfig {
    /// Google's own issuer.
    pub const GOOGLE: &'static str = "https://accounts.google.com";
    /// Where Google has its endpoints beside the issuer's host.
    pub const GOOGLES_HOSTS: [&'static str; 2] = ["oauth2.googleapis.com", "www.googleapis.com"];

    /// Google's issuer as older ID tokens have it (Google Identity, "Verify the Google ID token on your server side").
    const GOOGLE_WITHOUT_SCHEME: &'static str = "accounts.google.com";

    /// Whether this is the provider's own name for itself. To the letter; Google alone has two.
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

/// By TLS, or to this machine where that is allowed.
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
