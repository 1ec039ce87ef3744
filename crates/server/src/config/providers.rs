//! `google.…` and `providers.NAME.…`: sign-in through Google and other OpenID providers.

use adapters_google::ProviderConfig;
use authentication_app::federation::Providers;
use authentication_domain::federation::{InvalidProviderName, ProviderName};
use figment::value::Value;
use secrecy::SecretString;
use url::Url;

use super::{
    Config, Mistake,
    kinds::{self, Parsed},
    reader::Reader,
    transport::leads_to_this_machine,
};

/// A provider, and the service's registration with it. In the documentation of a field, `…` is `google` or
/// `providers.NAME`.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// The section: `google` or `providers.NAME`.
    pub section: String,
    /// The name of the section, if it is a valid provider name.
    pub name: Result<ProviderName, InvalidProviderName>,
    /// `….label`: the display name. Default `Google` or NAME.
    pub label: String,
    /// `….issuer`: the issuer, exactly as in its ID tokens. Default for Google `https://accounts.google.com`,
    /// otherwise none.
    pub issuer: Option<String>,
    /// `….client_ids`: the service's client ids, the website's client first. Without any, sign-in through the
    /// provider is off.
    pub client_ids: Vec<String>,
    /// `….client_secret`: the secret of the first client. Default none.
    pub client_secret: Option<SecretString>,
    /// `….redirect_uris`: the allowed redirect URIs. Default none: there is no code flow.
    pub redirect_uris: Vec<String>,
    /// `….hosted_domains`: the organisations whose members may sign in. Default none: everybody.
    pub hosted_domains: Vec<String>,
    /// `….verified_domains`: domains whose addresses count as verified when the provider does not state it. Default
    /// none.
    pub verified_domains: Vec<String>,
    /// `….trusted_hosts`: hosts besides the issuer's own that serve its endpoints and keys. Default: Google's, if
    /// the issuer is Google.
    pub trusted_hosts: Vec<String>,
}

impl ProviderSettings {
    pub(super) const GOOGLE: &str = "google";
    const OTHERS: &str = "providers";

    /// The provider under `google`.
    pub(super) fn google(reader: &mut Reader<'_>) -> Self {
        Self::read(reader, Self::GOOGLE.to_owned(), Self::GOOGLE)
    }

    /// The providers under `providers`, sorted by name.
    pub(super) fn others(reader: &mut Reader<'_>) -> Vec<Self> {
        let names = reader.sections(Self::OTHERS);
        names
            .iter()
            .map(|name| Self::read(reader, format!("{}.{name}", Self::OTHERS), name))
            .collect()
    }

    fn read(reader: &mut Reader<'_>, section: String, name: &str) -> Self {
        let of = |key: &str| format!("{section}.{key}");
        let is_google = name == Self::GOOGLE;
        let issuer = reader
            .setting(&of("issuer"), issuer)
            .or_else(|| is_google.then(|| ProviderConfig::GOOGLE.to_owned()));
        let by_default = if issuer.as_deref() == Some(ProviderConfig::GOOGLE) {
            ProviderConfig::GOOGLES_HOSTS
                .map(ToOwned::to_owned)
                .to_vec()
        } else {
            Vec::new()
        };
        let label = reader.setting(&of("label"), label);
        let called = if is_google { "Google" } else { name };
        Self {
            name: ProviderName::parse(name),
            label: label.unwrap_or_else(|| called.to_owned()),
            client_ids: reader
                .setting(&of("client_ids"), kinds::list(kinds::text))
                .unwrap_or_default(),
            client_secret: reader.setting(&of("client_secret"), kinds::secret),
            redirect_uris: reader
                .setting(&of("redirect_uris"), kinds::list(redirect_uri))
                .unwrap_or_default(),
            hosted_domains: reader
                .setting(&of("hosted_domains"), kinds::list(host))
                .unwrap_or_default(),
            verified_domains: reader
                .setting(&of("verified_domains"), kinds::list(host))
                .unwrap_or_default(),
            trusted_hosts: reader
                .setting(&of("trusted_hosts"), kinds::list(host))
                .unwrap_or(by_default),
            issuer,
            section,
        }
    }

    /// Whether sign-in through the provider is on.
    pub fn is_on(&self) -> bool {
        !self.client_ids.is_empty()
    }

    /// Conflicts within this section. A setting whose value was rejected is in the list already.
    fn find_mistakes(&self, config: &Config, found: &mut Vec<Mistake>) {
        let mut refuse = |key: &str, reason: &str| {
            let setting = format!("{}.{key}", self.section);
            found.push(config.mistake(&setting, reason));
        };
        let is_google = self.section == Self::GOOGLE;
        if let Err(reason) = self.name {
            refuse("issuer", &reason.to_string());
        }
        if self.issuer.is_none() && !config.is_set(&format!("{}.issuer", self.section)) {
            refuse("issuer", "must be set");
        }
        let needs_a_client = !is_google
            || !self.redirect_uris.is_empty()
            || self.client_secret.is_some()
            || !self.hosted_domains.is_empty()
            || !self.verified_domains.is_empty();
        let is_refused = config.is_set(&format!("{}.client_ids", self.section));
        if needs_a_client && !self.is_on() && !is_refused {
            let section = &self.section;
            let reason = format!("must be set when other settings of {section} are");
            refuse("client_ids", &reason);
        }
        let is_plain = |uri: &String| uri.starts_with("http://");
        if config.is_production() && self.issuer.as_ref().is_some_and(is_plain) {
            refuse("issuer", "must begin with https:// in production mode");
        }
        if config.is_production() && self.redirect_uris.iter().any(is_plain) {
            let reason = "must begin with https:// in production mode: a code travels there";
            refuse("redirect_uris", reason);
        }
    }
}

impl Config {
    /// Every provider with sign-in through it on.
    pub(crate) fn all_providers(&self) -> impl Iterator<Item = &ProviderSettings> {
        let all = std::iter::once(&self.google).chain(&self.providers);
        all.filter(|provider| provider.is_on())
    }

    /// Conflicts within and between providers.
    pub(super) fn mistakes_in_providers(&self) -> Vec<Mistake> {
        let mut found = Vec::new();
        for provider in std::iter::once(&self.google).chain(&self.providers) {
            provider.find_mistakes(self, &mut found);
        }
        let all: Vec<&ProviderSettings> = self.all_providers().collect();
        if all.len() > Providers::MOST {
            let reason = format!("there may be {} providers", Providers::MOST);
            found.push(self.mistake(ProviderSettings::OTHERS, reason));
        }
        for (number, provider) in all.iter().enumerate() {
            let before = all.iter().take(number);
            for other in before {
                let (section, theirs) = (&provider.section, &other.section);
                if provider.name.is_ok() && provider.name == other.name {
                    let reason = format!("is the provider google, as {theirs} is: set one of them");
                    found.push(self.mistake(&format!("{section}.client_ids"), reason));
                }
                if provider.is_at(other) {
                    let reason =
                        format!("is the issuer of {theirs} too: one issuer is one provider");
                    found.push(self.mistake(&format!("{section}.issuer"), reason));
                }
            }
        }
        found
    }
}

impl ProviderSettings {
    /// Whether both issuers denote the same provider, in any spelling.
    fn is_at(&self, other: &Self) -> bool {
        let place = |provider: &Self| {
            let url = Url::parse(provider.issuer.as_deref()?).ok()?;
            Some(url.as_str().trim_end_matches('/').to_owned())
        };
        place(self).is_some_and(|own| place(other).as_ref() == Some(&own))
    }
}

/// Shown on buttons, in mail and in text messages.
fn label(value: &Value) -> Parsed<String> {
    let text = kinds::text(value)?;
    if text.chars().count() <= 40 {
        Ok(text.trim().to_owned())
    } else {
        Err("must be 40 characters at the most".to_owned())
    }
}

/// Kept unchanged, because issuers are compared exactly: a trailing slash makes a different issuer.
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

/// Kept unchanged, because redirect URIs are compared exactly.
fn redirect_uri(value: &Value) -> Parsed<String> {
    let wanted = || {
        "must be absolute URLs that begin with https://, without user name and fragment (http:// to \
         this machine only)"
            .to_owned()
    };
    let text = kinds::text(value)?;
    let url = Url::parse(&text).ok().filter(is_safe).ok_or_else(wanted)?;
    // A URI that browsers normalize to a different text cannot be compared exactly.
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

#[cfg(test)]
mod tests;
