//! A provider's metadata, and responses that claim to be from it (T35).

use authentication_app::ports::{CodeGrant, IdentityProvider as _, ProviderError};
use secrecy::SecretString;
use serde_json::json;
use testkit::servers::OpenIdDouble;

use super::Bed;

async fn redeem_from(bed: &Bed, issuer: Option<&str>) -> Result<(), ProviderError> {
    let (code, verifier): (SecretString, SecretString) = ("code".into(), "v".repeat(43).into());
    let grant = CodeGrant {
        code: &code,
        issuer,
        redirect_uri: "https://shop.example/cb",
        verifier: &verifier,
    };
    bed.provider.redeem(&grant).await.map(|_| ())
}

/// T35: a document of another issuer, or with keys and endpoints elsewhere. No request is sent there.
#[tokio::test]
async fn t35_metadata_that_lead_away_are_refused_before_anything_is_asked() {
    let elsewhere = OpenIdDouble::start();
    for (field, value) in [
        ("issuer", elsewhere.issuer()),
        ("issuer", "https://accounts.google.com".to_owned()),
        ("jwks_uri", format!("{}/keys", elsewhere.issuer())),
        ("token_endpoint", format!("{}/token", elsewhere.issuer())),
        (
            "authorization_endpoint",
            format!("{}/authorize", elsewhere.issuer()),
        ),
        ("jwks_uri", "file:///etc/passwd".to_owned()),
        ("token_endpoint", "nonsense".to_owned()),
    ] {
        let bed = Bed::new();
        bed.double.say(field, json!(value));
        let refused = redeem_from(&bed, None).await;
        assert!(
            matches!(refused, Err(ProviderError::Untrustworthy(_))),
            "{field} {value}"
        );
        let refused = bed.verify_claims(&bed.claims()).await;
        assert!(
            matches!(refused, Err(ProviderError::Untrustworthy(_))),
            "{field} {value}"
        );
        assert!(bed.double.requests_to("/token").is_empty());
    }
    assert!(
        elsewhere.requests_to("/keys").is_empty() && elsewhere.requests_to("/token").is_empty()
    );
}

/// T35, RFC 9207: a wrong `iss`, or a missing one that was announced, ends the flow before the code is sent anywhere.
#[tokio::test]
async fn t35_an_answer_that_is_another_providers_gives_nobody_the_code() {
    let bed = Bed::new();
    let issuer = bed.double.issuer();
    for wrong in ["https://accounts.google.com", "", &format!("{issuer}/")] {
        assert_eq!(
            redeem_from(&bed, Some(wrong)).await,
            Err(ProviderError::MixedUp),
            "{wrong}"
        );
    }
    assert!(bed.double.requests_to("/token").is_empty());
    bed.double.grant("code", &bed.double.token(&bed.claims()));
    redeem_from(&bed, None).await.unwrap();
    bed.double.grant("code", &bed.double.token(&bed.claims()));
    redeem_from(&bed, Some(&issuer)).await.unwrap();

    let bed = Bed::new();
    bed.double.say(
        "authorization_response_iss_parameter_supported",
        json!(true),
    );
    assert_eq!(redeem_from(&bed, None).await, Err(ProviderError::MixedUp));
    assert!(bed.double.requests_to("/token").is_empty());
    bed.double.grant("code", &bed.double.token(&bed.claims()));
    redeem_from(&bed, Some(&bed.double.issuer())).await.unwrap();
}

#[tokio::test]
async fn an_answer_without_an_id_token_or_by_another_client_is_no_sign_in() {
    let bed = Bed::new();
    let refused = redeem_from(&bed, None).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused(_))),
        "{refused:?}"
    );
    let mut claims = bed.claims();
    claims["aud"] = "other".into();
    bed.double.grant("code", &bed.double.token(&claims));
    let refused = redeem_from(&bed, None).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused(_))),
        "{refused:?}"
    );
}
