//! A provider that does not answer.

use authentication_app::ports::{
    AuthorizationRequest, IdentityProvider as _, ProviderError, ProviderRefusal,
};
use secrecy::SecretString;
use serde_json::json;
use testkit::servers::{OpenIdDouble, OpenIdMood};
use time::Duration;

use super::Bed;

const REDIRECT: &str = "https://shop.example/cb";

impl Bed {
    async fn redeem(&self, code: &str) -> Result<(), ProviderError> {
        self.redeem_code(code).await.map(|_| ())
    }
}

#[tokio::test]
async fn a_document_is_asked_for_again_and_a_code_is_given_once() {
    let bed = Bed::new();
    bed.double.be(OpenIdMood::Overloaded);
    let refused = bed.verify_claims(&bed.claims()).await.err();
    assert!(
        matches!(refused, Some(ProviderError::Unavailable { .. })),
        "{refused:?}"
    );
    assert_eq!(
        bed.double
            .requests_to("/.well-known/openid-configuration")
            .len(),
        3
    );
    bed.double.be(OpenIdMood::Well);
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.double.be(OpenIdMood::Gone);
    let refused = bed.redeem("code").await.err();
    assert!(
        matches!(refused, Some(ProviderError::Unavailable { .. })),
        "{refused:?}"
    );
    assert_eq!(bed.double.requests_to("/token").len(), 1);
}

/// A caller's wait for a silent provider is limited. After five failures no request is sent.
#[tokio::test]
async fn a_silent_provider_is_given_up_and_then_left_alone() {
    let bed = Bed::new();
    bed.double.grant("code", &bed.double.token(&bed.claims()));
    bed.redeem("code").await.unwrap();
    bed.double.be(OpenIdMood::Gone);
    for _ in 0..5 {
        assert!(bed.redeem("code").await.is_err());
    }
    let asked = bed.double.requests_to("/token").len();
    let left = Some(ProviderError::Unavailable {
        retry_after: Duration::seconds(10),
    });
    assert_eq!(bed.redeem("code").await.err(), left);
    assert_eq!(bed.double.requests_to("/token").len(), asked, "nobody asks");
    // ID tokens are verified with the cached keys.
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.advance(Duration::seconds(10));
    bed.double.be(OpenIdMood::Well);
    let code = Some(ProviderError::Refused(ProviderRefusal::Code));
    assert_eq!(bed.redeem("code").await.err(), code, "it was used");
    bed.double
        .grant("another", &bed.double.token(&bed.claims()));
    bed.redeem("another").await.unwrap();
}

/// A failing token endpoint does not stop the keys from being fetched.
#[tokio::test]
async fn keys_are_fetched_while_the_token_endpoint_is_left_alone() {
    let bed = Bed::new();
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.advance(Duration::seconds(5));
    bed.double.be(OpenIdMood::Gone);
    for _ in 0..5 {
        assert!(bed.redeem("code").await.is_err());
    }
    bed.double.be(OpenIdMood::Well);
    bed.advance(Duration::seconds(5));
    bed.double.rotate_key();
    bed.verify_claims(&bed.claims()).await.unwrap();
    let left = Some(ProviderError::Unavailable {
        retry_after: Duration::seconds(5),
    });
    assert_eq!(bed.redeem("code").await.err(), left);
}

/// Neither a metadata request nor a code follows a provider's redirect.
#[tokio::test]
async fn nobody_is_followed_elsewhere() {
    let (bed, elsewhere) = (Bed::new(), OpenIdDouble::start());
    let leads_away = OpenIdMood::Elsewhere(elsewhere.port());
    bed.double.be(leads_away);
    assert!(bed.verify_claims(&bed.claims()).await.is_err());
    bed.double.be(OpenIdMood::Well);
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.double.be(leads_away);
    assert!(bed.redeem("code").await.is_err());
    for path in ["/.well-known/openid-configuration", "/keys", "/token"] {
        assert!(elsewhere.requests_to(path).is_empty(), "{path}");
    }
}

/// An oversized answer is not read to its end, and not requested again.
#[tokio::test]
async fn an_answer_that_is_too_large_is_none() {
    let bed = Bed::new();
    bed.double.be(OpenIdMood::Verbose);
    let refused = bed.verify_claims(&bed.claims()).await.err();
    let is_away = matches!(refused, Some(ProviderError::Unavailable { .. }));
    assert!(is_away, "{refused:?}");
    let metadata = "/.well-known/openid-configuration";
    assert_eq!(bed.double.requests_to(metadata).len(), 1);
    bed.double.be(OpenIdMood::Well);
    bed.verify_claims(&bed.claims()).await.unwrap();
}

#[tokio::test]
async fn whoever_never_answers_is_given_up() {
    let bed = Bed::new();
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.double.be(OpenIdMood::Silent);
    let refused = bed.redeem("code").await.err();
    assert!(
        matches!(refused, Some(ProviderError::Unavailable { .. })),
        "{refused:?}"
    );
    bed.double.be(OpenIdMood::Well);
}

#[tokio::test]
async fn a_person_is_sent_with_everything_that_the_code_is_bound_to() {
    let bed = Bed::new();
    let verifier: SecretString = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
    let request = AuthorizationRequest {
        redirect_uri: REDIRECT,
        state: "the-state",
        nonce: "the-nonce",
        verifier: &verifier,
    };
    let url = bed.provider.authorization_url(&request).await.unwrap();
    let url = url::Url::parse(&url).unwrap();
    assert_eq!(url.path(), "/authorize");
    let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    // RFC 7636, appendix B.
    let expected = json!({
        "response_type": "code", "client_id": "site", "redirect_uri": REDIRECT, "state": "the-state",
        "nonce": "the-nonce", "scope": "openid email profile", "code_challenge_method": "S256",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    });
    assert_eq!(json!(query), expected);
}

#[tokio::test]
async fn the_secret_goes_to_the_token_endpoint_alone_and_the_verifier_with_it() {
    let bed = Bed::new();
    bed.double.grant("code", &bed.double.token(&bed.claims()));
    bed.redeem("code").await.unwrap();
    let asked = bed.double.requests_to("/token");
    assert_eq!(asked.len(), 1);
    let verifier = format!("code_verifier={}", "v".repeat(43));
    assert!(asked[0].body.contains(&verifier), "{}", asked[0].body);
    assert!(asked[0].headers["authorization"].starts_with("Basic "));
    assert!(!asked[0].body.contains("secret"));
}
