//! Metrics of identity providers, read on collection. Their labels are bounded: the names come from the
//! configuration.

use std::sync::Arc;

use adapters_google::OpenIdProvider;
use authentication_domain::federation::ProviderName;
use opentelemetry::{KeyValue, metrics::Meter};

/// Providers by name.
pub(super) type Watched = Arc<[(ProviderName, Arc<OpenIdProvider>)]>;

pub(super) fn watch(meter: &Meter, providers: &Watched) {
    let shown = Arc::clone(providers);
    let _proofs = meter
        .u64_observable_counter("auth.provider.proofs")
        .with_description("ID tokens and codes brought from identity providers")
        .with_callback(move |observer| {
            for (name, provider) in shown.iter() {
                let figures = provider.figures();
                for (outcome, count) in [
                    ("proven", figures.proven),
                    ("refused", figures.refused),
                    ("unavailable", figures.unavailable),
                ] {
                    let labels = [of(*name), KeyValue::new("outcome", outcome)];
                    observer.observe(count, &labels);
                }
            }
        })
        .build();
    let shown = Arc::clone(providers);
    let _resting = meter
        .u64_observable_gauge("auth.provider.resting")
        .with_description("Whether an identity provider is left alone after failures in a row")
        .with_callback(move |observer| {
            for (name, provider) in shown.iter() {
                observer.observe(u64::from(provider.figures().rests), &[of(*name)]);
            }
        })
        .build();
}

fn of(name: ProviderName) -> KeyValue {
    KeyValue::new("provider", name.to_string())
}
