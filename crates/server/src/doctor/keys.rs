//! The key ring.

use super::Finding;
use crate::{StartError, config::Config, wire};

const CHECK: &str = "keys";

pub(super) fn look(config: &Config) -> Finding {
    match wire::examine_key_ring(config) {
        Ok(Some(seen)) => Finding::ok(CHECK, seen),
        Ok(None) => Finding::ok(CHECK, "there is no ring yet; the first start makes one"),
        Err(StartError::Config(mistakes)) => {
            let seen: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Finding::fails(CHECK, seen.join("; ")).do_this(
                "mount the ring for the service's user alone (mode 0600), or make one with \
                 fashionistar-auth keys generate: a new ring cannot read what an old one sealed",
            )
        }
        Err(error) => Finding::fails(CHECK, error.to_string()).do_this("see the reason"),
    }
}
