//! Key rotation while the service is running.

use authentication_app::ports::{IdentityProvider as _, ProviderError, ProviderRefusal};
use testkit::{
    race::at_once,
    servers::{OpenIdDouble, OpenIdMood},
};
use time::Duration;

use super::Bed;

const REFUSED: Option<ProviderError> = Some(ProviderError::Refused(ProviderRefusal::Signature));

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let bed = Bed::new();
    let old = bed.double.token(&bed.claims());
    bed.verify(&old).await.unwrap();
    bed.double.rotate_key();
    bed.advance(Duration::seconds(10));
    bed.verify_claims(&bed.claims()).await.unwrap();
    assert_eq!(bed.double.requests_to("/keys").len(), 2);
    // A withdrawn key is no longer accepted.
    assert_eq!(bed.verify(&old).await.err(), REFUSED);
}

/// Invented key ids cause at most one request every ten seconds.
#[tokio::test]
async fn unknown_keys_are_looked_for_every_ten_seconds_at_the_most() {
    let bed = Bed::new();
    let forger = OpenIdDouble::start();
    forger.rotate_key();
    bed.verify_claims(&bed.claims()).await.unwrap();
    let token = forger.token(&bed.claims());
    for round in 1..=3 {
        for _ in 0..20 {
            assert_eq!(bed.verify(&token).await.err(), REFUSED);
        }
        assert_eq!(bed.double.requests_to("/keys").len(), round);
        bed.advance(Duration::seconds(10));
    }
    bed.verify_claims(&bed.claims()).await.unwrap();
}

#[tokio::test]
async fn however_many_ask_at_once_the_provider_is_asked_once() {
    let bed = Bed::new();
    let token = bed.double.token(&bed.claims());
    let all = at_once(50, |_| {
        let (provider, token) = (bed.provider.clone(), token.clone());
        async move { provider.verify(&token.into()).await.is_ok() }
    })
    .await;
    assert!(all.into_iter().all(|verified| verified));
    assert_eq!(bed.double.requests_to("/keys").len(), 1);
    assert_eq!(
        bed.double
            .requests_to("/.well-known/openid-configuration")
            .len(),
        1
    );
}

/// Callers that wait while the provider is down share the first caller's result and send no further request.
#[tokio::test]
async fn of_many_who_wait_for_a_provider_that_is_away_one_asks() {
    let bed = Bed::new();
    bed.double.be(OpenIdMood::Overloaded);
    let token = bed.double.token(&bed.claims());
    let refused = at_once(20, |_| {
        let (provider, token) = (bed.provider.clone(), token.clone());
        async move { provider.verify(&token.into()).await.err() }
    })
    .await;
    for error in refused {
        let is_away = matches!(error, Some(ProviderError::Unavailable { .. }));
        assert!(is_away, "{error:?}");
    }
    let metadata = "/.well-known/openid-configuration";
    assert_eq!(
        bed.double.requests_to(metadata).len(),
        3,
        "one, in three tries"
    );
}

/// While cached keys may still be used, no caller waits, and the provider is asked every ten seconds at most.
#[tokio::test]
async fn keys_that_still_count_are_used_while_their_provider_is_away() {
    let bed = Bed::new();
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.advance(Duration::hours(1));
    bed.double.be(OpenIdMood::Overloaded);
    let metadata = "/.well-known/openid-configuration";
    let asked = bed.double.requests_to(metadata).len();
    for round in 1..=2 {
        let token = bed.double.token(&bed.claims());
        let verified = at_once(20, |_| {
            let (provider, token) = (bed.provider.clone(), token.clone());
            async move { provider.verify(&token.into()).await.is_ok() }
        })
        .await;
        assert!(verified.into_iter().all(|verified| verified));
        bed.verify_claims(&bed.claims()).await.unwrap();
        assert_eq!(bed.double.requests_to(metadata).len(), asked + 3 * round);
        bed.advance(Duration::seconds(10));
    }
    bed.double.be(OpenIdMood::Well);
    bed.verify_claims(&bed.claims()).await.unwrap();
    assert_eq!(bed.double.requests_to(metadata).len(), asked + 7);
}

/// Invented key ids cause no extra requests while the provider is down.
#[tokio::test]
async fn keys_that_could_not_be_fetched_are_not_fetched_again_for_ten_seconds() {
    let bed = Bed::new();
    let forger = OpenIdDouble::start();
    forger.rotate_key();
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.advance(Duration::seconds(10));
    bed.double.be(OpenIdMood::Overloaded);
    let token = forger.token(&bed.claims());
    for round in 1..=2 {
        for _ in 0..5 {
            let refused = bed.verify(&token).await.err();
            let is_away = matches!(refused, Some(ProviderError::Unavailable { .. }));
            assert!(is_away, "{refused:?}");
        }
        assert_eq!(bed.double.requests_to("/keys").len(), 1 + 3 * round);
        bed.advance(Duration::seconds(10));
    }
    bed.double.be(OpenIdMood::Well);
    assert_eq!(bed.verify(&token).await.err(), REFUSED);
}

#[tokio::test]
async fn keys_are_looked_at_again_after_an_hour_and_outlive_a_day_without_their_provider() {
    let bed = Bed::new();
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.advance(Duration::hours(1) - Duration::SECOND);
    bed.verify_claims(&bed.claims()).await.unwrap();
    assert_eq!(bed.double.requests_to("/keys").len(), 1);
    bed.advance(Duration::SECOND);
    bed.verify_claims(&bed.claims()).await.unwrap();
    assert_eq!(bed.double.requests_to("/keys").len(), 2);
    bed.double.be(OpenIdMood::Gone);
    bed.advance(Duration::hours(24) - Duration::SECOND);
    bed.verify_claims(&bed.claims()).await.unwrap();
    bed.advance(Duration::SECOND);
    let refused = bed.verify_claims(&bed.claims()).await.err();
    assert!(
        matches!(refused, Some(ProviderError::Unavailable { .. })),
        "{refused:?}"
    );
}

/// Good keys stay in use as long as without their provider, no matter what their URL returns.
#[tokio::test]
async fn an_empty_or_broken_key_set_never_replaces_good_keys() {
    let bed = Bed::new();
    let weak = r#"{"keys":[{"kty":"RSA","alg":"RS256","kid":"key-1","n":"wAAB","e":"AQAB"}]}"#;
    let secret = r#"{"keys":[{"kty":"oct","alg":"HS256","kid":"key-1","k":"c2VjcmV0"}]}"#;
    let forger = OpenIdDouble::start();
    forger.rotate_key();
    bed.verify_claims(&bed.claims()).await.unwrap();
    for document in [
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"RSA"}]}"#,
        r#"{"keys":{}}"#,
        "{}",
        "",
        "<html>Gone</html>",
        weak,
        secret,
    ] {
        bed.double.publish(Some(document));
        // Asked once because a token names an unknown key, and once because an hour has passed.
        bed.advance(Duration::seconds(10));
        let unknown = forger.token(&bed.claims());
        assert!(bed.verify(&unknown).await.is_err(), "{document}");
        bed.verify_claims(&bed.claims()).await.unwrap();
        bed.advance(Duration::hours(1));
        bed.verify_claims(&bed.claims()).await.unwrap();
    }
    bed.double.publish(None);
    bed.double.rotate_key();
    bed.advance(Duration::hours(1));
    bed.verify_claims(&bed.claims()).await.unwrap();
}

/// Without cached keys, none are accepted.
#[tokio::test]
async fn a_key_set_without_a_good_key_is_not_believed() {
    let bed = Bed::new();
    bed.double.publish(Some(r#"{"keys":[]}"#));
    let refused = bed.verify_claims(&bed.claims()).await.err();
    let fault = ProviderError::Untrustworthy("none of its keys may sign");
    assert_eq!(refused, Some(fault));
    bed.double.publish(None);
    bed.verify_claims(&bed.claims()).await.unwrap();
}
