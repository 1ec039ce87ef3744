//! What Django made, this service compares with.

use std::sync::Arc;

use adapters_crypto::{
    Argon2Pool, DjangoHashes, HashingConfig, KeyRing, KeysInUse, SystemClock, SystemRandom,
};
use authentication_app::ports::{ForeignHashes as _, PasswordHasher as _, Verification};
use authentication_domain::credentials::{PasswordHash, PlainPassword};
use common::Clock as _;
use testkit::django::{HashOrder, hashes};

const OUTDATED: Verification = Verification::Match { outdated: true };

fn pool() -> Argon2Pool {
    let keys = KeysInUse::new(KeyRing::generate(&SystemRandom, SystemClock.now()));
    Argon2Pool::start(keys, &HashingConfig::default(), Arc::new(SystemRandom)).unwrap()
}

fn typed(text: &str) -> PlainPassword {
    PlainPassword::from_typed(&text.into()).unwrap()
}

fn taken(stored: &str) -> PasswordHash {
    let hash = DjangoHashes.take(stored);
    hash.unwrap_or_else(|refused| panic!("{stored}: {refused}"))
        .unwrap_or_else(|| panic!("{stored}: unusable"))
}

#[tokio::test]
async fn djangos_own_hashes_match_their_password_and_no_other() {
    let password = "lilac-Harbour-42";
    let orders = HashOrder::HASHERS.map(|hasher| HashOrder::new(hasher, password));
    let pool = pool();
    for stored in hashes(&orders) {
        let hash = taken(&stored);
        let right = pool.verify(&typed(password), Some(&hash)).await;
        assert_eq!(right, Ok(OUTDATED), "{stored}");
        let wrong = pool.verify(&typed("lilac-Harbour-43"), Some(&hash)).await;
        assert_eq!(wrong, Ok(Verification::Mismatch), "{stored}");
    }
}

#[tokio::test]
async fn every_password_that_a_person_may_have_typed_matches() {
    let long = "l".repeat(100);
    let wide = "ж".repeat(50);
    let passwords = [
        "a",
        " spaces around ",
        "$dollar$and$percent%",
        "naïve café",
        "cafe\u{301} decomposed",
        "パスワード",
        "🔑🔑🔑🔑",
        // 72 bytes, where bcrypt cuts, one less and one more.
        &long[..71],
        &long[..72],
        &long[..73],
        &long,
        &wide,
    ];
    let orders: Vec<_> = HashOrder::HASHERS
        .iter()
        .flat_map(|hasher| passwords.map(|password| HashOrder::new(hasher, password).cheap()))
        .collect();
    let pool = pool();
    for (order, stored) in orders.iter().zip(hashes(&orders)) {
        let hash = taken(&stored);
        let right = pool.verify(&typed(order.password), Some(&hash)).await;
        assert_eq!(right, Ok(OUTDATED), "{order:?}: {stored}");
        let other = format!("!{}", order.password);
        let wrong = pool.verify(&typed(&other), Some(&hash)).await;
        assert_eq!(wrong, Ok(Verification::Mismatch), "{order:?}: {stored}");
    }
}

#[tokio::test]
async fn what_follows_the_72nd_byte_counts_as_it_did_in_django() {
    let long = "l".repeat(72);
    let orders = [
        HashOrder::new("bcrypt", &long).cheap(),
        HashOrder::new("bcrypt_sha256", &long).cheap(),
    ];
    let [plain, of_sha256] = &hashes(&orders)[..] else {
        panic!("two hashes");
    };
    let pool = pool();
    let longer = typed(&format!("{long}x"));
    let verify = async |stored| pool.verify(&longer, Some(&taken(stored))).await;
    assert_eq!(verify(plain).await, Ok(OUTDATED));
    assert_eq!(verify(of_sha256).await, Ok(Verification::Mismatch));
}

#[tokio::test]
async fn a_text_counts_as_it_was_typed_and_not_as_it_looks() {
    let (composed, decomposed) = ("caf\u{e9}-au-lait", "cafe\u{301}-au-lait");
    let order = HashOrder::new("pbkdf2_sha256", decomposed).cheap();
    let hash = taken(&hashes(&[order])[0]);
    let pool = pool();
    let verify = async |text| pool.verify(&typed(text), Some(&hash)).await;
    assert_eq!(verify(decomposed).await, Ok(OUTDATED));
    assert_eq!(verify(composed).await, Ok(Verification::Mismatch));
}

#[tokio::test]
async fn any_salt_of_djangos_is_taken() {
    let password = "lilac-Harbour-42";
    let orders: Vec<_> = ["pbkdf2_sha256", "pbkdf2_sha1", "scrypt"]
        .iter()
        .flat_map(|hasher| {
            // An empty one makes Django choose its own.
            ["", "x", "a salt, with: signs", "соль"]
                .map(|salt| HashOrder::new(hasher, password).cheap().salted(salt))
        })
        .collect();
    let pool = pool();
    for stored in hashes(&orders) {
        let answer = pool.verify(&typed(password), Some(&taken(&stored))).await;
        assert_eq!(answer, Ok(OUTDATED), "{stored}");
    }
}

#[test]
fn an_unusable_password_is_no_password() {
    let unusable = hashes(&[HashOrder::new("unusable", "")]);
    assert!(unusable[0].starts_with('!'), "{unusable:?}");
    assert_eq!(DjangoHashes.take(&unusable[0]), Ok(None));
}
