//! Keys that change while we serve.

use authentication_app::ports::{ProviderError, ProviderRefusal};
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
    // What was withdrawn counts no more.
    assert_eq!(bed.verify(&old).await.err(), REFUSED);
}

/// Whoever makes up key ids has us ask at most once in ten seconds.
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
        async move {
            use authentication_app::ports::IdentityProvider as _;
            provider.verify(&token.into()).await.is_ok()
        }
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
