//! `webauthn.…`: the relying party of passkeys.

use adapters_crypto::{is_android_app, is_on_domain};
use url::Url;

use super::{Config, Mistake, kinds, reader::Reader};

/// The domain of passkeys when nothing is set and the service has no host name.
const LOCAL: &str = "localhost";

/// The relying party of passkeys.
#[derive(Debug, Clone)]
pub struct WebAuthnSettings {
    /// `webauthn.rp_id`: the domain of passkeys. It must never change: passkeys of another domain become invalid.
    /// Default: the host of `http.public_url`, or `localhost`.
    pub rp_id: Option<String>,
    /// `webauthn.origins`: the origins that may request passkeys: pages, as browsers send their origin, each on the
    /// domain of `webauthn.rp_id` or below it, and Android apps (`android:apk-key-hash:…`). Default: the service's
    /// own origin.
    pub origins: Vec<String>,
    /// `webauthn.related_origins`: pages on other domains that may request passkeys too. `/.well-known/webauthn` of
    /// the domain of `webauthn.rp_id` has to list them for browsers. Default: none.
    pub related_origins: Vec<String>,
}

/// The relying party that results from the settings and from the address of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingPartyInEffect {
    /// The domain.
    pub rp_id: String,
    /// The pages on it, and the apps.
    pub origins: Vec<String>,
}

impl WebAuthnSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            rp_id: reader.setting("webauthn.rp_id", kinds::domain),
            origins: reader
                .setting("webauthn.origins", kinds::list(kinds::passkey_origin))
                .unwrap_or_default(),
            related_origins: reader
                .setting("webauthn.related_origins", kinds::list(kinds::origin))
                .unwrap_or_default(),
        }
    }

    /// The relying party of a service that clients reach at `public_url`.
    pub(crate) fn in_effect(&self, public_url: &Url) -> RelyingPartyInEffect {
        let own = own_origin(public_url);
        let host = own.domain().unwrap_or(LOCAL).to_owned();
        RelyingPartyInEffect {
            rp_id: self.rp_id.clone().unwrap_or(host),
            origins: if self.origins.is_empty() {
                vec![own.origin().ascii_serialization()]
            } else {
                self.origins.clone()
            },
        }
    }

    pub(super) fn mistakes(&self, config: &Config) -> Vec<Mistake> {
        let mut found = Vec::new();
        for origin in self.related_origins.iter().map(|it| Url::parse(it)) {
            if !origin.is_ok_and(|it| it.scheme() == "https" && it.domain().is_some()) {
                let reason = "must begin with https://, with a name: browsers ask for passkeys of another domain nowhere else";
                found.push(config.mistake("webauthn.related_origins", reason.to_owned()));
            }
        }
        let mut refuse = |reason: String| found.push(config.mistake("webauthn.origins", reason));
        let own = config.http.public_url.as_ref().map(own_origin);
        let host = own.as_ref().and_then(Url::domain).unwrap_or(LOCAL);
        let rp_id = self.rp_id.as_deref().unwrap_or(host);
        let parsed = |origin: &String| Url::parse(origin).ok();
        let pages = self.origins.iter().filter(|it| !is_android_app(it));
        let set: Vec<Url> = pages.filter_map(parsed).collect();
        let is_unset = self.origins.is_empty();
        if is_unset && own.is_none() && !is_on_domain(LOCAL, rp_id) {
            refuse(format!(
                "must be set: the service itself is on localhost, and not on {rp_id}"
            ));
        }
        // The service's own origin is checked as part of `http.public_url`.
        for (origin, is_set) in set
            .iter()
            .map(|it| (it, true))
            .chain(own.iter().filter(|_| is_unset).map(|it| (it, false)))
        {
            let is_local = origin
                .domain()
                .is_some_and(|host| is_on_domain(host, LOCAL));
            let is_plain = is_set && origin.scheme() != "https";
            if is_plain && config.is_production() {
                refuse("must begin with https:// in production mode".to_owned());
            } else if is_plain && !is_local {
                refuse(
                    "must begin with https://, or http://localhost: browsers have passkeys nowhere else"
                        .to_owned(),
                );
            } else if !origin
                .domain()
                .is_some_and(|host| is_on_domain(host, rp_id))
            {
                refuse(format!(
                    "must be on the domain of webauthn.rp_id, which is {rp_id}, or below it"
                ));
            }
        }
        found
    }
}

/// Browsers support passkeys for host names only, so a loopback address becomes `localhost`.
fn own_origin(public_url: &Url) -> Url {
    let mut own = public_url.clone();
    own.set_path("");
    if own.domain().is_none() {
        // An http URL with a host always accepts another host.
        let _ = own.set_host(Some(LOCAL));
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(rp_id: Option<&str>, origins: &[&str]) -> WebAuthnSettings {
        WebAuthnSettings {
            rp_id: rp_id.map(str::to_owned),
            origins: origins.iter().map(|it| (*it).to_owned()).collect(),
            related_origins: Vec::new(),
        }
    }

    fn in_effect(settings: &WebAuthnSettings, public_url: &str) -> (String, Vec<String>) {
        let RelyingPartyInEffect { rp_id, origins } =
            settings.in_effect(&public_url.parse().unwrap());
        (rp_id, origins)
    }

    #[test]
    fn the_service_itself_is_the_relying_party_unless_it_is_said() {
        let nothing = settings(None, &[]);
        let (rp_id, origins) = in_effect(&nothing, "http://127.0.0.1:8080");
        assert_eq!(rp_id, "localhost");
        assert_eq!(origins, ["http://localhost:8080"]);
        let (rp_id, origins) = in_effect(&nothing, "https://auth.example.com/base");
        assert_eq!(rp_id, "auth.example.com");
        assert_eq!(origins, ["https://auth.example.com"]);
        let site = settings(Some("example.com"), &["https://www.example.com"]);
        let (rp_id, origins) = in_effect(&site, "https://auth.example.com");
        assert_eq!(rp_id, "example.com");
        assert_eq!(origins, ["https://www.example.com"]);
        // An app alone is enough.
        let app = "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w";
        let (_, origins) = in_effect(
            &settings(Some("example.com"), &[app]),
            "https://example.com",
        );
        assert_eq!(origins, [app]);
    }

    #[test]
    fn a_host_is_on_its_domain_and_on_those_above() {
        assert!(is_on_domain("example.com", "example.com"));
        assert!(is_on_domain("www.example.com", "example.com"));
        for foreign in ["evilexample.com", "example.com.evil", "com", "example.co"] {
            assert!(!is_on_domain(foreign, "example.com"), "{foreign}");
        }
    }
}
