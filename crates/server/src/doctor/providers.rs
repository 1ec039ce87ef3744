//! The identity providers: their metadata and their keys.

use std::sync::Arc;

use adapters_crypto::{SystemClock, SystemRandom};

use super::{Finding, side_by_side};
use crate::{config::Config, wire};

const CHECK: &str = "providers";

/// One finding per provider.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let looks = config.all_providers().map(|settings| {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let provider = wire::identity_provider(config, settings, clock, random);
        let (section, label) = (settings.section.clone(), settings.label.clone());
        let name = section.rsplit('.').next().unwrap_or_default().to_owned();
        let which = name.clone();
        let look = async move {
            let examined = match provider {
                Ok(provider) => provider.examine().await.map_err(|error| error.to_string()),
                Err(mistakes) => Err(mistakes.to_string()),
            };
            match examined {
                Ok(()) => Finding::ok(
                    CHECK,
                    format!("{name} answers, and what it says of itself may be believed"),
                ),
                Err(error) => Finding::fails(CHECK, format!("{name}: {error}")).do_this(format!(
                    "check {section}.issuer and {section}.trusted_hosts; nobody signs in through {label} meanwhile"
                )),
            }
        };
        (which, look)
    });
    side_by_side(CHECK, looks).await
}
