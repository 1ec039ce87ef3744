//! What a provider may do to the service, and what others may do in its name. A double sends and signs anything.
#![expect(
    clippy::unwrap_used,
    reason = "tests and their helpers: a broken expectation fails the test"
)]

mod away;
mod keys;
mod metadata;
mod shapes;
mod tokens;

use std::sync::Arc;

use adapters_google::{OpenIdProvider, ProviderConfig};
use authentication_app::ports::{IdentityProvider as _, ProviderError};
use authentication_domain::federation::IdentityClaims;
use serde_json::{Value, json};
use testkit::{SeededRandom, TestClock, clock::START, servers::OpenIdDouble};
use time::Duration;

/// A provider double, and the adapter that uses it. The clock stands at [`START`].
struct Bed {
    double: OpenIdDouble,
    clock: Arc<TestClock>,
    provider: Arc<OpenIdProvider>,
}

impl Bed {
    fn new() -> Self {
        let double = OpenIdDouble::start();
        let clock = Arc::new(TestClock::default());
        let config = ProviderConfig {
            name: "double".to_owned(),
            issuer: double.issuer(),
            client_ids: vec!["site".to_owned(), "android".to_owned()],
            client_secret: Some("secret".into()),
            trusted_hosts: Vec::new(),
            allow_loopback: true,
        };
        let random = Arc::new(SeededRandom::new(7));
        let provider = OpenIdProvider::new(config, clock.clone(), random).unwrap();
        Self {
            double,
            clock,
            provider: Arc::new(provider),
        }
    }

    /// The claims of a valid token at the current time.
    fn claims(&self) -> Value {
        let now = common::Clock::now(self.clock.as_ref()).unix_timestamp();
        json!({
            "iss": self.double.issuer(), "sub": "10769150350006150715", "aud": "site",
            "iat": now, "exp": now + 3_600, "nonce": "a-nonce",
            "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
            "given_name": "Ada", "family_name": "Lovelace", "locale": "en", "hd": "example.com",
        })
    }

    /// Valid claims with one of them changed; `null` removes it.
    fn but(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims();
        let object = claims.as_object_mut().unwrap();
        if value.is_null() {
            object.remove(claim);
        } else {
            object.insert(claim.to_owned(), value);
        }
        claims
    }

    async fn verify(&self, token: &str) -> Result<IdentityClaims, ProviderError> {
        self.provider.verify(&token.into()).await
    }

    async fn verify_claims(&self, claims: &Value) -> Result<IdentityClaims, ProviderError> {
        self.verify(&self.double.token(claims)).await
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

#[tokio::test]
async fn a_good_token_says_who_somebody_is() {
    let bed = Bed::new();
    assert_eq!(common::Clock::now(bed.clock.as_ref()), START);
    let claims = bed.verify_claims(&bed.claims()).await.unwrap();
    assert_eq!(claims.nonce.as_deref(), Some("a-nonce"));
    assert_eq!(claims.email.as_deref(), Some("ada@example.com"));
    assert_eq!(claims.email_verified, Some(true));
    assert_eq!(claims.hosted_domain.as_deref(), Some("example.com"));
    assert_eq!(claims.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(claims.locale.as_deref(), Some("en"));
    let same = bed
        .verify_claims(&bed.but("email", json!("eve@example.com")))
        .await
        .unwrap();
    assert_eq!(
        same.identity, claims.identity,
        "it is the subject that counts"
    );
    let other = bed
        .verify_claims(&bed.but("sub", json!("1")))
        .await
        .unwrap();
    assert_ne!(other.identity, claims.identity);
}
