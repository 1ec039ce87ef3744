//! The identity provider: its metadata and its keys.

use std::sync::Arc;

use adapters_crypto::{SystemClock, SystemRandom};

use super::Finding;
use crate::{config::Config, wire};

const CHECK: &str = "google";

pub(super) async fn look(config: &Config) -> Option<Finding> {
    let advice =
        "check google.issuer and google.trusted_hosts; nobody signs in through Google meanwhile";
    let provider = wire::identity_provider(config, Arc::new(SystemClock), Arc::new(SystemRandom));
    let examined = match provider {
        Ok(provider) => provider?.examine().await.map_err(|error| error.to_string()),
        Err(mistakes) => Err(mistakes.to_string()),
    };
    Some(match examined {
        Ok(()) => Finding::ok(
            CHECK,
            "the provider answers, and what it says of itself may be believed",
        ),
        Err(error) => Finding::fails(CHECK, error).do_this(advice),
    })
}
