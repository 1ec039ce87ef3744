//! Signing in through Google, where it is configured.

use std::sync::Arc;

use adapters_google::{InvalidProvider, OpenIdProvider, ProviderConfig};
use authentication_app::{
    Foundation,
    federation::{Federation, FederationPolicy},
};
use common::{Clock, SecureRandom};

use crate::config::{Config, Mistakes};

/// The use cases, unless there is no client.
pub(super) fn federation(
    config: &Config,
    base: &Arc<Foundation>,
) -> Result<Option<Federation>, Mistakes> {
    let (clock, random) = (Arc::clone(&base.clock), Arc::clone(&base.random));
    let provider = identity_provider(config, clock, random)?;
    let policy = FederationPolicy {
        redirect_uris: config.google.redirect_uris.clone(),
        hosted_domains: config.google.hosted_domains.clone(),
    };
    let base = Arc::clone(base);
    Ok(provider.map(|provider| Federation::new(base, Arc::new(provider), policy)))
}

/// The provider, unless there is no client. Asks it nothing yet: a service starts without it.
pub(crate) fn identity_provider(
    config: &Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
) -> Result<Option<OpenIdProvider>, Mistakes> {
    let google = &config.google;
    if !google.is_on() {
        return Ok(None);
    }
    let provider = ProviderConfig {
        issuer: google.issuer.clone(),
        client_ids: google.client_ids.clone(),
        client_secret: google.client_secret.clone(),
        trusted_hosts: google.trusted_hosts.clone(),
        allow_loopback: !config.is_production(),
    };
    let provider = OpenIdProvider::new(provider, clock, random).map_err(|error| {
        let setting = match error {
            InvalidProvider::ClientIds => "google.client_ids",
            InvalidProvider::Issuer | InvalidProvider::Client(_) => "google.issuer",
        };
        Mistakes::from(config.mistake(setting, error.to_string()))
    })?;
    Ok(Some(provider))
}
