//! Redis: its properties, and the commands that the service needs.

use adapters_redis::{RIGHTS, RedisConnection, RedisExamination, RedisTrouble, ServerState};

use super::{Finding, network::Address};
use crate::{
    config::{Config, Mistake, RedisMode, SinkChoice},
    wire::{redis_config, redis_mistake},
};

const CHECK: &str = "redis";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let of_mistake = |mistake: Mistake| {
        vec![Finding::fails(CHECK, mistake.to_string()).do_this("correct it, and look again")]
    };
    let settings = match redis_config(config) {
        Ok(Some(settings)) => settings,
        Ok(None) => return vec![Finding::ok(CHECK, "not configured: one node only")],
        Err(mistake) => return of_mistake(mistake),
    };
    if config.redis.mode == RedisMode::Standalone
        && let Some(address) = Address::of(&settings.url, 6379)
        && let Some(trouble) = address.trouble().await
    {
        return vec![Finding::fails(CHECK, trouble).do_this(
            "start Redis, or correct redis.url; until then each node counts limits by itself",
        )];
    }
    let redis = match RedisConnection::connect(&settings).await {
        Ok(redis) => redis,
        Err(error) => return of_mistake(redis_mistake(config, error)),
    };
    let mut findings = judge_others(config.redis.mode, &redis.examine_others().await);
    findings.push(look_at(config, &redis).await);
    findings
}

async fn look_at(config: &Config, redis: &RedisConnection) -> Finding {
    let (seen, mut finding) = match redis.examine().await {
        Ok(seen) => {
            let finding = judge(config.redis.mode, &seen);
            (Some(seen), finding)
        }
        Err(RedisTrouble::RefusesCommands(_)) => {
            let seen = "it does not say of itself what it is: INFO is refused";
            let advice = "give the user +info, so that version and memory policy can be looked at";
            (None, Finding::warns(CHECK, seen).do_this(advice))
        }
        Err(trouble) => return of_trouble(config, "", &trouble),
    };
    if finding.health == super::Health::Fail {
        return finding;
    }
    let before = seen.map(|seen| format!("{}, ", shown(&seen)));
    let before = before.unwrap_or_default();
    match try_rights(config, redis).await {
        Err(trouble) => finding = of_trouble(config, &before, &trouble),
        Ok(lacks) if finding.health == super::Health::Ok && !lacks.is_empty() => {
            let seen = format!("{before}its user lacks rights: {}", lacks.join(" "));
            finding = Finding::warns(CHECK, seen).do_this(
                "give it these, with which doctor looks and fail-overs are noticed sooner",
            );
        }
        Ok(_) => {}
    }
    if let Some(address) = redis
        .address()
        .filter(|_| config.redis.mode != RedisMode::Standalone)
    {
        finding.seen = format!("{address}: {}", finding.seen);
    }
    finding
}

/// Tries every right separately, then all operations of the service together. Returns the missing rights that only
/// diagnostics need.
async fn try_rights(config: &Config, redis: &RedisConnection) -> Result<Vec<String>, RedisTrouble> {
    let writes_a_stream = config.events.sinks.contains(&SinkChoice::Redis);
    let stream = writes_a_stream.then(|| config.events.stream_after(&config.redis.key_prefix));
    let missing = redis.missing_rights(stream.as_deref()).await?;
    if missing.needed.is_empty() {
        redis.health().await?;
        redis.hear_oneself().await?;
        return Ok(missing.for_looks);
    }
    let mut lacks = missing.needed.join(" ");
    // The channel needs a right of its own, which no command above needs.
    if let Err(trouble) = redis.hear_oneself().await
        && matches!(
            trouble,
            RedisTrouble::RefusesPublish(_) | RedisTrouble::RefusesSubscribe(_)
        )
    {
        lacks = format!("{lacks}; {trouble}");
    }
    Err(RedisTrouble::LacksRights(lacks))
}

fn of_trouble(config: &Config, before: &str, trouble: &RedisTrouble) -> Finding {
    let mode = match config.redis.mode {
        RedisMode::Standalone => "redis.url",
        RedisMode::Sentinel => "redis.url and redis.sentinel.urls",
        RedisMode::Cluster => "redis.url and redis.cluster.nodes",
    };
    let rights = RIGHTS.replace("PREFIX", &config.redis.key_prefix);
    let advice = match trouble {
        RedisTrouble::Unusable(_) => format!(
            "it listens, and cannot be used: check user, password, database and TLS in {mode}, that it is a \
             primary with memory left, and the rights of the user: {rights}"
        ),
        RedisTrouble::RefusesCommands(_)
        | RedisTrouble::LacksRights(_)
        | RedisTrouble::RefusesPublish(_)
        | RedisTrouble::RefusesSubscribe(_) => {
            format!("give the user the rights that the service needs: {rights}")
        }
        RedisTrouble::NotHeard(_) => {
            "see whether the server is part of the Cluster, or drops slow listeners".to_owned()
        }
    };
    Finding::fails(CHECK, format!("{before}{trouble}")).do_this(advice)
}

/// Sentinels or Cluster nodes: some may be unavailable, not all.
fn judge_others(mode: RedisMode, others: &[ServerState]) -> Vec<Finding> {
    let kind = match mode {
        RedisMode::Sentinel => "sentinel",
        RedisMode::Standalone | RedisMode::Cluster => "node",
    };
    let named = others
        .iter()
        .filter_map(|it| it.answer.as_ref().ok()?.as_ref());
    let agree = named.clone().all(|it| named.clone().next() == Some(it));
    others
        .iter()
        .map(|it| {
            let address = &it.address;
            match &it.answer {
                Ok(Some(primary)) if !agree => {
                    let seen = format!("{kind} {address} names {primary} as primary, others do not");
                    Finding::warns(CHECK, seen)
                        .do_this("see whether a fail-over is under way, or the sentinel is cut off")
                }
                Ok(Some(primary)) => {
                    let seen = format!("{kind} {address} names {primary} as primary");
                    Finding::ok(CHECK, seen)
                }
                Ok(None) => Finding::ok(CHECK, format!("{kind} {address} lets us in")),
                Err(reason) => {
                    let seen = format!("{kind} {address}: {reason}");
                    Finding::warns(CHECK, seen).do_this(
                        "start it, or correct the setting: its URL, or the name of the primary in redis.url",
                    )
                }
            }
        })
        .collect()
}

fn shown(seen: &RedisExamination) -> String {
    format!(
        "Redis {}, {:.1} ms, {}{}",
        seen.version,
        seen.round_trip.as_secs_f64() * 1_000.0,
        seen.eviction_policy,
        match seen.is_persistent {
            Some(true) => ", writes to disk (not needed)",
            Some(false) => ", in memory only (enough)",
            None => "",
        }
    )
}

fn judge(mode: RedisMode, seen: &RedisExamination) -> Finding {
    let shown = shown(seen);
    if seen.is_of_a_cluster && mode != RedisMode::Cluster {
        Finding::fails(CHECK, format!("{shown}, a node of a Cluster"))
            .do_this("set redis.mode to cluster")
    } else if !seen.is_of_a_cluster && mode == RedisMode::Cluster {
        Finding::fails(CHECK, format!("{shown}, no node of a Cluster"))
            .do_this("set redis.mode to standalone or sentinel")
    } else if !seen.is_primary {
        Finding::fails(CHECK, format!("{shown}, a replica that takes no writes"))
            .do_this("point redis.url at the primary")
    } else if !seen.is_supported() {
        Finding::fails(CHECK, shown).do_this("upgrade Redis to 6.2 or newer")
    } else if seen.eviction_policy != "noeviction" {
        Finding::warns(CHECK, shown).do_this(
            "set maxmemory-policy noeviction: an evicted tombstone could let an ended session back \
             in for some seconds",
        )
    } else {
        Finding::ok(CHECK, shown)
    }
}
