use authentication_app::ports::KeySection;
use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::test_support::{NOW, keys, random, ring, rotated, staged};

/// The cheapest parameters that OWASP allows.
const CHEAP: HashingConfig = HashingConfig {
    memory_kib: 7_168,
    iterations: 5,
    parallelism: 1,
    threads: 2,
    queue: 64,
};

fn pool_of(keys: Arc<KeysInUse>, config: HashingConfig) -> Argon2Pool {
    Argon2Pool::start(keys, &config, random()).unwrap()
}

fn pool() -> Argon2Pool {
    pool_of(keys(1), CHEAP)
}

fn password(text: &str) -> PlainPassword {
    PlainPassword::from_typed(&SecretString::from(text)).unwrap()
}

const UP_TO_DATE: Verification = Verification::Match { outdated: false };
const OUTDATED: Verification = Verification::Match { outdated: true };

#[tokio::test]
async fn a_password_matches_its_hash_and_no_other() {
    let pool = pool();
    let typed = password("correct horse battery staple");
    let hash = pool.hash(&typed).await.unwrap();
    assert!(
        hash.as_str()
            .starts_with("$argon2id$v=19$m=7168,t=5,p=1,keyid="),
        "{}",
        hash.as_str()
    );
    assert_eq!(pool.verify(&typed, Some(&hash)).await, Ok(UP_TO_DATE));
    let wrong = password("correct horse battery stapler");
    assert_eq!(
        pool.verify(&wrong, Some(&hash)).await,
        Ok(Verification::Mismatch)
    );
    assert_ne!(
        pool.hash(&typed).await.unwrap(),
        hash,
        "every hash has its own salt"
    );
}

#[tokio::test]
async fn the_last_character_of_a_long_password_counts() {
    let pool = pool();
    let long = "x".repeat(200);
    let hash = pool.hash(&password(&format!("{long}a"))).await.unwrap();
    let other = password(&format!("{long}b"));
    assert_eq!(
        pool.verify(&other, Some(&hash)).await,
        Ok(Verification::Mismatch)
    );
}

#[tokio::test]
async fn every_question_costs_one_hash_whoever_is_asked_for() {
    let pool = pool();
    let typed = password("correct horse");
    let hash = pool.hash(&typed).await.unwrap();
    assert_eq!(pool.hashes(), 1);
    pool.verify(&typed, Some(&hash)).await.unwrap();
    assert_eq!(pool.hashes(), 2);
    assert_eq!(pool.verify(&typed, None).await, Ok(Verification::Mismatch));
    assert_eq!(pool.hashes(), 3);
    let junk = PasswordHash::from_encoded("junk".to_owned());
    assert_eq!(
        pool.verify(&typed, Some(&junk)).await,
        Err(HashError::Failed)
    );
    assert_eq!(pool.hashes(), 3);
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test]
async fn an_estimate_waits_its_turn_and_is_no_hash() {
    let pool = pool();
    let none = || Vec::new();
    let strong = password("lilac-Harbour-42-zeppelin");
    let strong = pool.estimate(&strong, none()).await;
    assert_eq!(strong, Ok(Strength::new(4)));
    let weak = pool.estimate(&password("abcabcabcabc"), none()).await;
    assert!(weak.unwrap() < Strength::new(3));
    assert_eq!((pool.hashes(), pool.estimates()), (0, 2));
}

#[tokio::test]
async fn a_hash_by_other_parameters_matches_and_is_outdated() {
    let keys = keys(1);
    let typed = password("correct horse");
    let hash = pool_of(Arc::clone(&keys), CHEAP)
        .hash(&typed)
        .await
        .unwrap();
    for config in [
        HashingConfig {
            memory_kib: 9_216,
            ..CHEAP
        },
        HashingConfig {
            iterations: 6,
            ..CHEAP
        },
        HashingConfig {
            parallelism: 2,
            ..CHEAP
        },
    ] {
        let pool = pool_of(Arc::clone(&keys), config);
        assert_eq!(pool.verify(&typed, Some(&hash)).await, Ok(OUTDATED));
    }
}

#[tokio::test]
async fn a_hash_under_an_earlier_pepper_matches_and_is_outdated() {
    let (older, newer) = (ring(1), ring(2));
    let typed = password("correct horse");
    let hash = pool_of(keys(1), CHEAP).hash(&typed).await.unwrap();
    let between = pool_of(rotated(&newer, &older), CHEAP);
    assert_eq!(between.verify(&typed, Some(&hash)).await, Ok(OUTDATED));
    let after = pool_of(keys(2), CHEAP);
    assert_eq!(
        after.verify(&typed, Some(&hash)).await,
        Err(HashError::Failed)
    );
}

/// Nodes adopt a promotion at different times. If each replaced hashes under the other's pepper, they would
/// undo each other's work and double the load.
#[tokio::test]
async fn a_node_that_lags_leaves_a_hash_under_the_next_pepper_alone() {
    let (older, newer) = (ring(1), ring(2));
    let typed = password("correct horse");
    let ahead = pool_of(rotated(&newer, &older), CHEAP);
    let hash = ahead.hash(&typed).await.unwrap();
    let lagging = pool_of(staged(&newer, &older), CHEAP);
    assert_eq!(lagging.verify(&typed, Some(&hash)).await, Ok(UP_TO_DATE));
    let costlier = HashingConfig {
        iterations: 6,
        ..CHEAP
    };
    let lagging = pool_of(staged(&newer, &older), costlier);
    assert_eq!(lagging.verify(&typed, Some(&hash)).await, Ok(OUTDATED));
}

#[tokio::test]
async fn a_hash_under_a_retired_pepper_is_like_a_wrong_password() {
    let typed = password("correct horse");
    let hash = pool_of(keys(1), CHEAP).hash(&typed).await.unwrap();
    let (mut ring, section) = (ring(1), KeySection::PasswordPepper);
    let mark = &ring
        .keys()
        .into_iter()
        .find(|key| key.section == section)
        .unwrap()
        .stored_as;
    assert!(hash.as_str().contains(mark.as_str()));
    ring.add_next(section, None, random().as_ref(), NOW)
        .unwrap();
    let (_, replaced) = ring.promote(section, NOW).unwrap();
    ring.retire(section, &replaced, NOW).unwrap();
    let pool = pool_of(KeysInUse::new(ring), CHEAP);
    assert_eq!(
        pool.verify(&typed, Some(&hash)).await,
        Ok(Verification::Mismatch)
    );
    assert_eq!(pool.hashes(), 1);
}

#[tokio::test]
async fn a_hash_made_elsewhere_matches_and_is_outdated() {
    use argon2::{Argon2, PasswordHasher as _};
    let foreign = Argon2::default()
        .hash_password_with_salt(b"correct horse", b"a salt of theirs")
        .unwrap();
    let hash = PasswordHash::from_encoded(foreign.to_string());
    let pool = pool();
    let typed = password("correct horse");
    assert_eq!(pool.verify(&typed, Some(&hash)).await, Ok(OUTDATED));
    let wrong = password("battery staple");
    assert_eq!(
        pool.verify(&wrong, Some(&hash)).await,
        Ok(Verification::Mismatch)
    );
}

#[test]
fn parameters_below_the_minimum_are_refused() {
    let check = |memory_kib, iterations| {
        HashingConfig {
            memory_kib,
            iterations,
            ..CHEAP
        }
        .validate()
    };
    for (memory_kib, iterations) in [(19_456, 2), (47_104, 1), (65_536, 3), (7_168, 5)] {
        assert_eq!(check(memory_kib, iterations), Ok(()));
    }
    for (memory_kib, iterations) in [(19_455, 2), (47_103, 1), (8, 1), (7_167, 32)] {
        let weak = HashingConfigError::TooWeak {
            memory_kib,
            iterations,
        };
        assert_eq!(check(memory_kib, iterations), Err(weak));
    }
    assert_eq!(HashingConfig::default().validate(), Ok(()));
}

#[test]
fn parameters_that_nobody_could_bear_are_refused() {
    for config in [
        HashingConfig {
            memory_kib: u32::MAX,
            ..CHEAP
        },
        HashingConfig {
            iterations: 1_000,
            ..CHEAP
        },
        HashingConfig {
            parallelism: 0,
            ..CHEAP
        },
        HashingConfig {
            threads: 0,
            ..CHEAP
        },
        HashingConfig { queue: 0, ..CHEAP },
    ] {
        let refused = Argon2Pool::start(keys(1), &config, random());
        assert!(matches!(
            refused,
            Err(PoolError::Config(HashingConfigError::OutOfBounds { .. }))
        ));
    }
}

#[test]
fn a_broken_store_makes_nobody_compute_for_minutes() {
    let tail = "$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let peppers = Peppers::of(&ring(1));
    let parse = |text: String| StoredHash::parse(&PasswordHash::from_encoded(text), &peppers);
    assert!(parse(format!("$argon2id$v=19$m=7168,t=5,p=1{tail}")).is_ok());
    for head in [
        "$argon2id$v=19$m=4294967295,t=5,p=1",
        "$argon2id$v=19$m=7168,t=4294967295,p=1",
        "$argon2id$v=19$m=999999,t=1,p=17",
        "$argon2id$v=19$m=7,t=1,p=1",
        "$argon2id$v=19$m=7168,t=5",
        "$argon2id$v=19",
        "$argon2id$v=18$m=7168,t=5,p=1",
        "$argon2id$m=7168,t=5,p=1",
        "$argon2id$v=19$m=7168,t=5,p=1,keyid=AAAA",
        "$argon2x$v=19$m=7168,t=5,p=1",
        "$2b$12",
    ] {
        assert!(parse(format!("{head}{tail}")).is_err(), "{head}");
    }
    assert!(
        parse(format!(
            "$argon2id$v=19$m=7168,t=5,p=1{tail}{}",
            "A".repeat(600)
        ))
        .is_err()
    );
}

proptest! {
    #[test]
    fn junk_never_panics(
        text in "(\\$argon2(id|i|d))?(\\$v=[0-9]{0,11})?(\\$[mtp=,0-9keyid]{0,40})?\\PC{0,80}",
    ) {
        let peppers = Peppers::of(&ring(1));
        let _ = StoredHash::parse(&PasswordHash::from_encoded(text), &peppers);
    }
}
