//! `doctor`: checks that everything that is configured works, and recommends actions where it does not.
//!
//! It is read-only: it creates no folder, key or table. All checks run concurrently, each with a deadline, so that
//! a dependency that hangs delays only its own line.

mod database;
mod findings;
mod folder;
mod keys;
mod messages;
mod network;
mod providers;
mod redis;
mod webhooks;

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::config::{Config, Mistakes};
pub(crate) use findings::{Finding, Health, print};

/// The deadline of one check.
const DEADLINE: Duration = Duration::from_secs(5);

/// The mistakes of a configuration, as findings.
pub(crate) fn of_mistakes(mistakes: &Mistakes) -> Vec<Finding> {
    let findings = mistakes.iter().map(|mistake| {
        Finding::fails("configuration", mistake.to_string()).do_this("correct it, and look again")
    });
    findings.collect()
}

/// Runs all checks, and returns the findings in the order of the configuration's sections.
pub(crate) async fn examine(config: &Config) -> Vec<Finding> {
    let (folder, providers, keys, database, replicas, redis, messages, webhooks, collector, sentry) = tokio::join!(
        in_time("data folder", None, async { vec![folder::look(config)] }),
        providers::look(config),
        in_time("keys", None, async { vec![keys::look(config)] }),
        in_time("database", None, database::look(config)),
        database::look_at_replicas(config),
        in_time("redis", None, redis::look(config)),
        messages::look(config),
        webhooks::look(config),
        in_time("telemetry", None, network::look_at_collector(config)),
        in_time("sentry", None, network::look_at_sentry(config)),
    );
    let mut findings = of_configuration(config);
    for found in [
        folder, providers, keys, database, replicas, redis, messages, webhooks, collector, sentry,
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

/// Checks several targets of one kind concurrently, and returns the findings in the order of the configuration.
async fn side_by_side<F>(
    check: &'static str,
    looks: impl Iterator<Item = (String, F)>,
) -> Vec<Finding>
where
    F: Future<Output = Finding> + Send + 'static,
{
    let begun: Vec<_> = looks
        .map(|(which, look)| tokio::spawn(in_time(check, which, async { Some(look.await) })))
        .collect();
    let mut findings = Vec::new();
    for look in begun {
        let panicked =
            |_| vec![Finding::fails(check, "looking at it panicked").do_this("report it")];
        findings.extend(look.await.unwrap_or_else(panicked));
    }
    findings
}

/// Runs a check with a deadline; a timeout becomes a finding. `which` names the target where a check has several.
async fn in_time<F>(
    check: &'static str,
    which: impl Into<Option<String>>,
    look: impl Future<Output = F>,
) -> Vec<Finding>
where
    F: IntoIterator<Item = Finding>,
{
    if let Ok(found) = timeout(DEADLINE, look).await {
        return found.into_iter().collect();
    }
    let seen = format!("no answer within {} seconds", DEADLINE.as_secs());
    let seen = match which.into() {
        Some(which) => format!("{which}: {seen}"),
        None => seen,
    };
    let advice = "see whether it hangs, and whether a firewall drops what is sent there";
    vec![Finding::fails(check, seen).do_this(advice)]
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_costs_its_own_line_and_the_order_stays() {
        let look = |hangs: bool| async move {
            if hangs {
                pending::<()>().await;
            }
            Finding::ok("replicas", "well")
        };
        let looks = [("first", false), ("second", true), ("third", false)];
        let looks = looks.map(|(name, hangs)| (name.to_owned(), look(hangs)));
        let found = side_by_side("replicas", looks.into_iter()).await;
        let seen: Vec<&str> = found.iter().map(|it| it.seen.as_str()).collect();
        assert_eq!(seen, ["well", "second: no answer within 5 seconds", "well"]);
    }
}
