//! `google.…`: signing in through Google, or another OpenID provider.

use adapters_google::ProviderConfig;
use figment::value::Value;
use secrecy::SecretString;
use url::Url;

use super::{
    kinds::{self, Parsed},
    reader::Reader,
    transport::leads_to_this_machine,
};

/// The provider, and who we are to it.
#[derive(Debug, Clone)]
pub struct GoogleSettings {
    /// `google.issuer`: the provider, to the letter as its ID tokens say. Default `https://accounts.google.com`.
    pub issuer: String,
    /// `google.client_ids`: who we are to it, the site's client first. Default none: there is no Google sign-in.
    pub client_ids: Vec<String>,
    /// `google.client_secret`: the secret of the first client. Default none.
    pub client_secret: Option<SecretString>,
    /// `google.redirect_uris`: where people may come back to. Default none: there is no code flow.
    pub redirect_uris: Vec<String>,
    /// `google.hosted_domains`: the organisations whose people are let in. Default none: everybody.
    pub hosted_domains: Vec<String>,
    /// `google.trusted_hosts`: hosts beside the issuer's own where it has its endpoints and keys. Default: Google's,
    /// if the issuer is Google.
    pub trusted_hosts: Vec<String>,
}

impl GoogleSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let issuer = reader
            .setting("google.issuer", issuer)
            .unwrap_or_else(|| ProviderConfig::GOOGLE.to_owned());
        let by_default = if issuer == ProviderConfig::GOOGLE {
            ProviderConfig::GOOGLES_HOSTS
                .map(ToOwned::to_owned)
                .to_vec()
        } else {
            Vec::new()
        };
        Self {
            client_ids: reader
                .setting("google.client_ids", kinds::list(kinds::text))
                .unwrap_or_default(),
            client_secret: reader.setting("google.client_secret", kinds::secret),
            redirect_uris: reader
                .setting("google.redirect_uris", kinds::list(redirect_uri))
                .unwrap_or_default(),
            hosted_domains: reader
                .setting("google.hosted_domains", kinds::list(host))
                .unwrap_or_default(),
            trusted_hosts: reader
                .setting("google.trusted_hosts", kinds::list(host))
                .unwrap_or(by_default),
            issuer,
        }
    }

    /// Whether there is Google sign-in.
    pub fn is_on(&self) -> bool {
        !self.client_ids.is_empty()
    }

    /// What does not go together.
    pub(super) fn check(&self, is_production: bool, refuse: &mut impl FnMut(&'static str, &str)) {
        let needs_a_client = !self.redirect_uris.is_empty()
            || self.client_secret.is_some()
            || !self.hosted_domains.is_empty();
        if needs_a_client && !self.is_on() {
            refuse(
                "google.client_ids",
                "must be set when other settings of google are",
            );
        }
        if is_production && self.issuer.starts_with("http://") {
            refuse(
                "google.issuer",
                "must begin with https:// in production mode",
            );
        }
        let is_plain = |uri: &String| uri.starts_with("http://");
        if is_production && self.redirect_uris.iter().any(is_plain) {
            let reason = "must begin with https:// in production mode: a code travels there";
            refuse("google.redirect_uris", reason);
        }
    }
}

/// Kept to the letter: it is compared so, and a slash at its end makes it another one.
fn issuer(value: &Value) -> Parsed<String> {
    let wanted = || {
        "must be an absolute URL that begins with https://, without user name, query and fragment \
         (http:// to this machine only)"
            .to_owned()
    };
    let text = kinds::text(value)?;
    let url = Url::parse(&text).ok().filter(is_safe).ok_or_else(wanted)?;
    let is_bare = url.query().is_none() && !text.contains(char::is_whitespace);
    if is_bare { Ok(text) } else { Err(wanted()) }
}

/// Kept to the letter: nothing else is compared with it.
fn redirect_uri(value: &Value) -> Parsed<String> {
    let wanted = || {
        "must be absolute URLs that begin with https://, without user name and fragment (http:// to \
         this machine only)"
            .to_owned()
    };
    let text = kinds::text(value)?;
    let url = Url::parse(&text).ok().filter(is_safe).ok_or_else(wanted)?;
    // What a browser would read differently than it is written is no address to be compared.
    let is_canonical = url.as_str() == text || url.as_str().strip_suffix('/') == Some(&text);
    if is_canonical {
        Ok(text)
    } else {
        Err(wanted())
    }
}

fn is_safe(url: &Url) -> bool {
    let is_private = match url.scheme() {
        "https" => url.has_host(),
        "http" => leads_to_this_machine(url),
        _ => false,
    };
    is_private && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

fn host(value: &Value) -> Parsed<String> {
    let text = kinds::text(value)?;
    let text = text.trim().to_ascii_lowercase();
    let is_name = text.split('.').count() >= 2
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !text.starts_with('.')
        && !text.ends_with('.');
    if is_name {
        Ok(text)
    } else {
        Err("must be names of hosts, such as example.com".to_owned())
    }
}
