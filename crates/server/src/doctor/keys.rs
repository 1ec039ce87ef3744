//! The key ring.

use adapters_crypto::{Origin, SystemClock};
use authentication_app::ports::{KeySection, KeyState, KeySummary};
use common::Clock as _;
use time::{Duration, OffsetDateTime};

use super::Finding;
use crate::{StartError, config::Config, wire};

const CHECK: &str = "keys";
/// Twice the interval that the key rotation runbook recommends.
const OLD_SIGNING_KEY: Duration = Duration::days(180);
const OLD_KEY: Duration = Duration::days(730);

pub(super) fn look(config: &Config) -> Finding {
    match wire::examine_key_ring(config) {
        Ok(Some((origin, keys))) => judge(origin, &keys, SystemClock.now()),
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

fn judge(origin: Origin, keys: &[KeySummary], now: OffsetDateTime) -> Finding {
    let by_whom = match origin {
        Origin::Generated => "made by the service itself, for development",
        Origin::Provided => "an operator's own",
    };
    let live = keys.iter().filter(|key| key.state != KeyState::Retired);
    let shown = format!("the ring can be read; {by_whom}, {} keys", live.count());
    let old: Vec<String> = keys.iter().filter_map(|key| too_old(key, now)).collect();
    if origin == Origin::Generated || old.is_empty() {
        return Finding::ok(CHECK, shown);
    }
    Finding::warns(CHECK, format!("{shown}; {}", old.join(", ")))
        .do_this("change them: fashionistar-auth keys rotate, docs/runbooks/key-rotation.md")
}

/// Describes a current key that has been in use for too long.
fn too_old(key: &KeySummary, now: OffsetDateTime) -> Option<String> {
    let most = match key.section {
        KeySection::Signing => OLD_SIGNING_KEY,
        _ => OLD_KEY,
    };
    let age = now - key.made_at?;
    let is_old = key.state == KeyState::Current && age > most;
    is_old.then(|| format!("{} is {} days old", key.section.as_str(), age.whole_days()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Health;

    #[test]
    fn keys_that_are_long_in_use_are_named() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let key = |section, state, days: i64| KeySummary {
            section,
            id: "4f1c09aa".to_owned(),
            state,
            made_at: Some(now - Duration::days(days)),
            since: None,
            stored_as: "4f1c09aa".to_owned(),
            algorithm: None,
        };
        let young = [
            key(KeySection::Signing, KeyState::Current, 90),
            key(KeySection::Signing, KeyState::Previous, 900),
            key(KeySection::Codes, KeyState::Current, 400),
        ];
        let found = judge(Origin::Provided, &young, now);
        assert_eq!(found.health, Health::Ok, "{found:?}");
        assert!(
            found.seen.ends_with("an operator's own, 3 keys"),
            "{found:?}"
        );
        let old = [key(KeySection::Signing, KeyState::Current, 200)];
        let found = judge(Origin::Provided, &old, now);
        assert_eq!(found.health, Health::Warn);
        assert!(found.seen.contains("signing is 200 days old"), "{found:?}");
        assert_eq!(judge(Origin::Generated, &old, now).health, Health::Ok);
    }
}
