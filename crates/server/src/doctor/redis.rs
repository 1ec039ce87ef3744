//! Redis.

use adapters_redis::{RedisConfig, RedisConnection, RedisExamination};
use secrecy::SecretString;

use super::{Finding, network::Address};
use crate::config::Config;

const CHECK: &str = "redis";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let Some(url) = &config.redis.url else {
        return vec![Finding::ok(CHECK, "not configured: one node only")];
    };
    vec![match examine(config, url).await {
        Ok(seen) => judge(&seen),
        Err(trouble) => trouble,
    }]
}

async fn examine(config: &Config, url: &SecretString) -> Result<RedisExamination, Finding> {
    if let Some(address) = Address::of(url, 6379)
        && let Some(trouble) = address.trouble().await
    {
        return Err(Finding::fails(CHECK, trouble).do_this(
            "start Redis, or correct redis.url; until then each node counts limits by itself",
        ));
    }
    let settings = RedisConfig {
        key_prefix: config.redis.key_prefix.clone(),
        ..RedisConfig::new(url.clone())
    };
    let connection = RedisConnection::connect(&settings).await;
    let connection = connection
        .map_err(|error| Finding::fails(CHECK, error.to_string()).do_this("correct redis.url"))?;
    connection.examine().await.map_err(|_| {
        Finding::fails(CHECK, "it listens, and does not answer us").do_this(
            "check user, password and TLS in redis.url, and that the user may use INFO, EVAL, \
             PUBLISH and SUBSCRIBE",
        )
    })
}

fn judge(seen: &RedisExamination) -> Finding {
    let RedisExamination {
        version,
        round_trip,
        eviction_policy,
        ..
    } = seen;
    let shown = format!(
        "Redis {version}, {:.1} ms, {eviction_policy}, {}",
        round_trip.as_secs_f64() * 1_000.0,
        if seen.is_persistent {
            "writes to disk (not needed)"
        } else {
            "in memory only (enough)"
        }
    );
    if !seen.is_primary {
        Finding::fails(CHECK, format!("{shown}, a replica that takes no writes"))
            .do_this("point redis.url at the primary")
    } else if !seen.is_supported() {
        Finding::fails(CHECK, shown).do_this("upgrade Redis to 6.2 or newer")
    } else if eviction_policy != "noeviction" {
        Finding::warns(CHECK, shown).do_this(
            "set maxmemory-policy noeviction: an evicted tombstone could let an ended session back \
             in for some seconds",
        )
    } else {
        Finding::ok(CHECK, shown)
    }
}
