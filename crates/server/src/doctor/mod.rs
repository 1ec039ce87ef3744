//! `doctor`: whether everything that is configured works, and what to do where it does not.
//!
//! Looks and changes nothing: no folder, key or table is made. All checks run at the same time, each with
//! a deadline, so that one dependency that hangs delays nothing but its own line.

mod database;
mod findings;
mod folder;
mod keys;
mod messages;
mod network;
mod redis;
mod webhooks;

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::config::{Config, Mistakes};
pub(crate) use findings::{Finding, Health, print};

/// How long one check may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// What is wrong with a configuration, as findings.
pub(crate) fn of_mistakes(mistakes: &Mistakes) -> Vec<Finding> {
    let findings = mistakes.iter().map(|mistake| {
        Finding::fails("configuration", mistake.to_string()).do_this("correct it, and look again")
    });
    findings.collect()
}

/// Looks at everything that the configuration names, in the order of its sections.
pub(crate) async fn examine(config: &Config) -> Vec<Finding> {
    let (folder, keys, database, replicas, redis, messages, webhooks, collector, sentry) = tokio::join!(
        in_time("data folder", async { vec![folder::look(config)] }),
        in_time("keys", async { vec![keys::look(config)] }),
        in_time("database", database::look(config)),
        in_time("replicas", database::look_at_replicas(config)),
        in_time("redis", redis::look(config)),
        in_time("messages", messages::look(config)),
        in_time("webhooks", webhooks::look(config)),
        in_time("telemetry", network::look_at_collector(config)),
        in_time("sentry", network::look_at_sentry(config)),
    );
    let mut findings = of_configuration(config);
    for found in [
        folder, keys, database, replicas, redis, messages, webhooks, collector, sentry,
    ] {
        findings.extend(found);
    }
    findings
}

fn of_configuration(config: &Config) -> Vec<Finding> {
    let warnings = config.warnings();
    if warnings.is_empty() {
        return vec![Finding::ok("configuration", "no mistakes")];
    }
    let findings = warnings.into_iter().map(|warning| {
        Finding::warns("configuration", warning).do_this("see docs/configuration.md")
    });
    findings.collect()
}

async fn in_time(check: &'static str, look: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    timeout(DEADLINE, look).await.unwrap_or_else(|_| {
        let seconds = DEADLINE.as_secs();
        let late = Finding::fails(check, format!("no answer within {seconds} seconds"));
        vec![late.do_this("see whether it hangs, and whether a firewall drops what is sent there")]
    })
}
