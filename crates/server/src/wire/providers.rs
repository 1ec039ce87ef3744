//! Sign-in through the configured identity providers.

use std::{collections::BTreeMap, sync::Arc};

use adapters_google::{InvalidProvider, OpenIdProvider, ProviderConfig};
use authentication_app::{
    Foundation,
    federation::{Federation, FederationPolicy, Providers},
};
use authentication_domain::federation::{AdmissionRules, ProviderName};
use common::{Clock, SecureRandom};

use crate::{
    config::{Config, Mistakes, ProviderSettings},
    telemetry::Metrics,
};

/// The use cases of each provider.
pub(super) fn providers(
    config: &Config,
    base: &Arc<Foundation>,
    metrics: &Metrics,
) -> Result<Providers, Mistakes> {
    let (mut all, mut watched) = (Vec::new(), Vec::new());
    for settings in config.all_providers() {
        let name = name_of(config, settings)?;
        let (clock, random) = (Arc::clone(&base.clock), Arc::clone(&base.random));
        let provider = Arc::new(identity_provider(config, settings, clock, random)?);
        watched.push((name, Arc::clone(&provider)));
        let policy = FederationPolicy {
            name,
            label: settings.label.clone(),
            redirect_uris: settings.redirect_uris.clone(),
            admission: AdmissionRules {
                hosted_domains: settings.hosted_domains.clone(),
                verified_domains: settings.verified_domains.clone(),
            },
        };
        all.push(Federation::new(Arc::clone(base), provider, policy));
    }
    metrics.watch_providers(watched);
    let providers = Providers::new(all);
    providers.map_err(|error| config.mistake("providers", error.to_string()).into())
}

/// The client of a provider. Does not connect: the service starts without the provider.
pub(crate) fn identity_provider(
    config: &Config,
    settings: &ProviderSettings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
) -> Result<OpenIdProvider, Mistakes> {
    let provider = ProviderConfig {
        name: name_of(config, settings)?.to_string(),
        issuer: settings.issuer.clone().unwrap_or_default(),
        client_ids: settings.client_ids.clone(),
        client_secret: settings.client_secret.clone(),
        trusted_hosts: settings.trusted_hosts.clone(),
        allow_loopback: !config.is_production(),
    };
    OpenIdProvider::new(provider, clock, random).map_err(|error| {
        let key = match error {
            InvalidProvider::ClientIds => "client_ids",
            InvalidProvider::Issuer | InvalidProvider::Client(_) => "issuer",
        };
        let setting = format!("{}.{key}", settings.section);
        config.mistake(&setting, error.to_string()).into()
    })
}

/// The display names of the providers other than Google.
pub(super) fn labels(config: &Config) -> BTreeMap<ProviderName, String> {
    let named = |it: &ProviderSettings| Some((it.name.ok()?, it.label.clone()));
    config.all_providers().filter_map(named).collect()
}

/// The issuers of the providers, by name; including Google's when sign-in through Google is not configured.
pub(super) fn issuers(config: &Config) -> BTreeMap<ProviderName, String> {
    let all = std::iter::once(&config.google).chain(config.all_providers());
    all.filter_map(|it| Some((it.name.ok()?, it.issuer.clone()?)))
        .collect()
}

fn name_of(config: &Config, settings: &ProviderSettings) -> Result<ProviderName, Mistakes> {
    settings.name.map_err(|error| {
        let setting = format!("{}.issuer", settings.section);
        config.mistake(&setting, error.to_string()).into()
    })
}
