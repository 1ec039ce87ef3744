//! The content and lifetime of tokens. The attacks have a file of their own.

mod attacks;

use authentication_app::ports::KeySection;
use base64::engine::general_purpose::STANDARD;
use common::{
    Id,
    access::{AuthenticationMethod, Proofs, Role, Roles},
};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::test_support::{NOW, TestClock, keys, random, ring, rotated, staged};

struct Fixture {
    keys: Arc<KeysInUse>,
    clock: Arc<TestClock>,
    signer: JwtSigner,
}

fn config() -> JwtConfig {
    JwtConfig {
        issuer: "https://auth.example".to_owned(),
        audience: "fashionistar".to_owned(),
        client_id: "web".to_owned(),
        leeway: JwtConfig::LEEWAY,
    }
}

fn fixture_on(keys: Arc<KeysInUse>) -> Fixture {
    let clock = TestClock::new();
    let signer = JwtSigner::new(Arc::clone(&keys), config(), clock.clone(), random()).unwrap();
    Fixture {
        keys,
        clock,
        signer,
    }
}

fn fixture() -> Fixture {
    fixture_on(keys(1))
}

fn claims() -> AccessClaims {
    AccessClaims {
        account: Id::from_uuid(Uuid::from_u128(1)),
        session: Id::from_uuid(Uuid::from_u128(2)),
        generation: 7,
        roles: Roles::from(Role::Client).with(Role::Support),
        references: Proofs::only(AuthenticationMethod::Password, NOW).references(),
        authenticated_at: NOW - Duration::hours(1),
        issued_at: NOW,
        expires_at: NOW + Duration::minutes(10),
    }
}

fn encode(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

impl Fixture {
    /// The id of the signing key.
    fn signing_key(&self) -> String {
        self.keys.load().signing.signer.id().to_owned()
    }

    fn token(&self) -> String {
        self.signer
            .sign(&claims())
            .unwrap()
            .expose_secret()
            .to_owned()
    }

    fn header(&self) -> Value {
        decode(self.token().split('.').next().unwrap())
    }

    fn payload(&self) -> Value {
        decode(self.token().split('.').nth(1).unwrap())
    }

    /// Signs any header and payload with the right key.
    fn signed(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = self
            .keys
            .load()
            .signing
            .signer
            .sign(signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn with_header(&self, member: &str, value: Value) -> String {
        let mut header = self.header();
        header[member] = value;
        self.signed(&header.to_string(), &self.payload().to_string())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut payload = self.payload();
        payload[name] = value;
        self.signed(&self.header().to_string(), &payload.to_string())
    }

    /// Replaces the value of a claim by raw JSON.
    fn with_raw_claim(&self, name: &str, raw: &str) -> String {
        let payload = self.payload();
        let replaced = payload.to_string().replace(
            &format!("\"{name}\":{}", payload[name]),
            &format!("\"{name}\":{raw}"),
        );
        self.signed(&self.header().to_string(), &replaced)
    }

    #[track_caller]
    fn refuses(&self, token: &str) {
        assert_eq!(self.signer.verify(token), Err(InvalidToken), "{token}");
    }

    #[track_caller]
    fn accepts(&self, token: &str) {
        assert!(self.signer.verify(token).is_ok(), "{token}");
    }
}

#[test]
fn a_token_says_what_was_signed() {
    let it = fixture();
    assert_eq!(it.signer.verify(&it.token()), Ok(claims()));
    let kid = it.signing_key();
    let kid = kid.as_str();
    assert_eq!(
        it.header(),
        json!({"typ": "at+jwt", "alg": "EdDSA", "kid": kid})
    );
    let mut payload = it.payload();
    assert_eq!(payload["jti"].take().as_str().map(str::len), Some(22));
    assert_eq!(
        payload,
        json!({
            "iss": "https://auth.example", "aud": "fashionistar", "client_id": "web",
            "sub": "00000000-0000-0000-0000-000000000001",
            "sid": "00000000-0000-0000-0000-000000000002",
            "iat": 1_795_348_800, "nbf": 1_795_348_800, "exp": 1_795_349_400, "jti": null,
            "roles": ["client", "support"], "amr": ["pwd"], "acr": "1", "gen": 7,
            "auth_time": 1_795_345_200,
        })
    );
}

#[test]
fn no_two_tokens_are_the_same() {
    let it = fixture();
    assert_ne!(it.token(), it.token());
}

#[test]
fn anybody_can_verify_a_token_with_the_published_key() {
    let it = fixture();
    let set: jwk::JwkSet = serde_json::from_value(it.signer.public_keys()).unwrap();
    let key = set.find(&it.signing_key()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["fashionistar"]);
    validation.set_issuer(&["https://auth.example"]);
    // The library uses the real clock; the test clock stands still.
    validation.validate_exp = false;
    let decoded = jsonwebtoken::decode::<Value>(
        it.token(),
        &DecodingKey::from_jwk(key).unwrap(),
        &validation,
    );
    assert_eq!(decoded.unwrap().claims["sub"], it.payload()["sub"]);
}

#[test]
fn published_keys_are_public() {
    let it = fixture();
    let keys = it.signer.public_keys();
    let key = keys["keys"][0].as_object().unwrap();
    let names: Vec<_> = key.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    for (name, value) in [
        ("kty", "OKP"),
        ("crv", "Ed25519"),
        ("use", "sig"),
        ("alg", "EdDSA"),
    ] {
        assert_eq!(key[name], value);
    }
    assert_eq!(key["kid"], it.signing_key());
    assert_eq!(it.signer.algorithms(), ["EdDSA"]);
    assert_eq!(it.signer.issuer(), "https://auth.example");
}

#[test]
fn keys_of_every_algorithm_sign_and_verify() {
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256] {
        let mut ring = ring(1);
        let ed25519 = ring.signing.current().id().to_owned();
        let section = KeySection::Signing;
        ring.add_next(section, Some(algorithm), random().as_ref(), NOW)
            .unwrap();
        ring.promote(section, NOW).unwrap();
        let name = algorithm.as_str();
        let it = fixture_on(KeysInUse::new(ring));
        assert_eq!(it.header()["alg"], name);
        assert_eq!(it.signer.verify(&it.token()), Ok(claims()));
        assert_eq!(it.signer.algorithms(), [name, "EdDSA"]);
        it.refuses(&it.with_header("alg", json!("EdDSA")));
        // Name this key, but sign with the ring's other live key.
        let mut header = it.header();
        header["kid"] = ed25519.into();
        it.refuses(&it.signed(&header.to_string(), &it.payload().to_string()));
    }
}

#[test]
fn tokens_of_an_earlier_key_count_until_it_is_gone() {
    let (older, newer) = (ring(1), ring(2));
    let token = fixture_on(keys(1)).token();
    fixture_on(rotated(&newer, &older)).accepts(&token);
    fixture_on(keys(2)).refuses(&token);
}

#[test]
fn a_next_key_is_published_and_verifies_before_it_signs() {
    let (older, newer) = (ring(1), ring(2));
    let it = fixture_on(staged(&newer, &older));
    it.accepts(&fixture_on(keys(2)).token());
    assert_eq!(it.header()["kid"], older.signing.current().id());
    let published: Vec<_> = it.signer.public_keys()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect();
    let both = [older.signing.current().id(), newer.signing.current().id()];
    assert_eq!(published, both);
}

#[test]
fn a_token_of_a_key_that_was_taken_away_is_not_remembered() {
    let (mut ring, section) = (ring(1), KeySection::Signing);
    ring.add_next(section, None, random().as_ref(), NOW)
        .unwrap();
    let (_, replaced) = ring.promote(section, NOW).unwrap();
    let copy = KeyRing::from_json(&ring.to_json()).unwrap();
    let it = fixture_on(KeysInUse::new(copy));
    let token = fixture_on(keys(1)).token();
    it.accepts(&token);
    ring.retire(section, &replaced, NOW).unwrap();
    it.keys.replace(ring).unwrap();
    it.refuses(&token);
}

// ---- the cache

#[test]
fn a_signature_is_checked_once_and_what_was_refused_is_not_remembered() {
    let it = fixture();
    let token = it.token();
    it.accepts(&token);
    it.accepts(&token);
    it.refuses(&format!("{token}x"));
    let keys = it.keys.load();
    keys.signing.verified.run_pending_tasks();
    assert_eq!(keys.signing.verified.entry_count(), 1);
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused() {
    let refusal =
        |config: JwtConfig| JwtSigner::new(keys(1), config, TestClock::new(), random()).err();
    assert_eq!(refusal(config()), None);
    let empty = JwtConfig {
        issuer: String::new(),
        ..config()
    };
    assert_eq!(refusal(empty), Some(JwtConfigError::Empty("issuer")));
    for leeway in [Duration::seconds(61), Duration::seconds(-1)] {
        assert_eq!(
            refusal(JwtConfig { leeway, ..config() }),
            Some(JwtConfigError::Leeway)
        );
    }
}

proptest! {
    #[test]
    fn claims_survive_to_the_second(
        account: u128, session: u128, generation: u32, age in 0i64..2_000_000, lifetime in 1i64..100_000,
    ) {
        let it = fixture();
        let claims = AccessClaims {
            account: Id::from_uuid(Uuid::from_u128(account)),
            session: Id::from_uuid(Uuid::from_u128(session)),
            generation,
            roles: Roles::from(Role::Vendor),
            references: Proofs::only(AuthenticationMethod::OneTimeCode, NOW)
                .and(AuthenticationMethod::Passkey, NOW)
                .references(),
            authenticated_at: NOW - Duration::seconds(age),
            issued_at: NOW,
            expires_at: NOW + Duration::seconds(lifetime),
        };
        let with_fraction = AccessClaims {
            issued_at: claims.issued_at + Duration::microseconds(7),
            ..claims.clone()
        };
        let token = it.signer.sign(&with_fraction).unwrap();
        prop_assert_eq!(it.signer.verify(token.expose_secret()), Ok(claims));
    }
}

#[test]
fn a_token_lives_for_its_own_lifetime_in_the_cache() {
    let it = fixture();
    let claims = claims();
    let lives_for = it.signer.check_times(&claims).unwrap();
    assert_eq!(lives_for, StdDuration::from_secs(605));
    let expired = AccessClaims {
        expires_at: OffsetDateTime::UNIX_EPOCH,
        ..claims
    };
    assert_eq!(it.signer.check_times(&expired), Err(InvalidToken));
}
