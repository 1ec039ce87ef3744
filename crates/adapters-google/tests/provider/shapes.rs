//! Values that differ in shape from the standards, as Auth0, Azure and older releases of Keycloak send them.

use authentication_app::ports::{CodeGrant, IdentityProvider as _, ProviderError, ProviderRefusal};
use serde_json::{Value, json};

use super::Bed;

/// Claims that are not used here, and claims that go into a profile if they can be read.
const UNNEEDED: [&str; 27] = [
    "updated_at",
    "acr",
    "amr",
    "address",
    "auth_time",
    "at_hash",
    "c_hash",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "locale",
    "picture",
    "profile",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "phone_number",
    "phone_number_verified",
    "sid",
    "jti",
    "groups",
    "realm_access",
    "https://shop.example/claim",
];

fn shapes() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1.5),
        json!(1e300),
        json!(""),
        json!("1"),
        json!("2024-05-01T10:00:00.000Z"),
        json!("pwd mfa"),
        json!([]),
        json!(["pwd", 7, null, {}]),
        json!({}),
        json!({"formatted": 7, "street_address": ["a"]}),
        json!([[[[{}]]]]),
    ]
}

/// Every claim in every shape: in the n-th token, the claims have the shapes from the n-th on.
#[tokio::test]
async fn what_is_not_needed_never_makes_a_token_unreadable() {
    let bed = Bed::new();
    let good = bed.verify_claims(&bed.claims()).await.unwrap();
    let shapes = shapes();
    for first in 0..shapes.len() {
        let mut claims = bed.claims();
        for (place, claim) in UNNEEDED.iter().enumerate() {
            claims[*claim] = shapes[(first + place) % shapes.len()].clone();
        }
        let read = bed.verify_claims(&claims).await;
        let read = read.unwrap_or_else(|error| panic!("{error}: {claims}"));
        assert_eq!(read.identity, good.identity, "{claims}");
        assert_eq!(read.email, good.email, "{claims}");
        assert_eq!(read.email_verified, Some(true), "{claims}");
    }
    // Text that cannot become a value: half of a surrogate pair, and an out-of-range number.
    for nonsense in [r#""Ada \ud83d""#, "1e999", "-1e999"] {
        for claim in ["name", "locale", "picture", "updated_at"] {
            let text = bed.but(claim, json!("mark")).to_string();
            let text = text.replace(r#""mark""#, nonsense);
            let read = bed.verify(&bed.double.raw_token(text.as_bytes())).await;
            assert_eq!(read.unwrap().identity, good.identity, "{claim} {nonsense}");
        }
    }
}

/// An unreadable value counts as `false`, never as absent; so do half of a surrogate pair and an out-of-range number.
#[tokio::test]
async fn an_address_is_not_verified_by_an_answer_in_another_shape() {
    let bed = Bed::new();
    for shape in shapes().into_iter().filter(|shape| !shape.is_null()) {
        let claims = bed.but("email_verified", shape.clone());
        let read = bed.verify_claims(&claims).await.unwrap();
        assert_eq!(read.email_verified, Some(shape == json!(true)), "{shape}");
    }
    let text = bed.but("email_verified", json!("mark")).to_string();
    for nonsense in [r#""true \ud83d""#, "1e999", "null"] {
        let text = text.replace(r#""mark""#, nonsense);
        let read = bed.verify(&bed.double.raw_token(text.as_bytes())).await;
        assert_eq!(read.unwrap().email_verified, Some(false), "{nonsense}");
    }
}

/// A needed claim that cannot be read counts as absent, and the check that needs it decides.
#[tokio::test]
async fn a_needed_claim_in_another_shape_counts_as_unsaid() {
    let bed = Bed::new();
    for shape in shapes().into_iter().filter(|shape| !shape.is_string()) {
        let read = bed
            .verify_claims(&bed.but("email", shape.clone()))
            .await
            .unwrap();
        assert_eq!(read.email, None, "{shape}");
        let read = bed
            .verify_claims(&bed.but("nonce", shape.clone()))
            .await
            .unwrap();
        assert_eq!(read.nonce, None, "{shape}");
        let read = bed
            .verify_claims(&bed.but("hd", shape.clone()))
            .await
            .unwrap();
        assert_eq!(read.hosted_domain, None, "{shape}");
        for claim in ["sub", "iss", "aud", "exp", "iat"] {
            // A token may have been issued in 1970, as long as it has not expired.
            if claim == "iat" && shape == json!(0) {
                continue;
            }
            let refused = bed.verify_claims(&bed.but(claim, shape.clone())).await;
            assert!(
                matches!(refused, Err(ProviderError::Refused(_))),
                "{claim} {shape}"
            );
        }
    }
}

/// Only the ID token of the token endpoint's answer is used.
#[tokio::test]
async fn what_is_not_needed_never_makes_a_token_response_unreadable() {
    let bed = Bed::new();
    let token = bed.double.token(&bed.claims());
    for (code, odd) in [
        json!({"expires_in": "3600"}),
        json!({"expires_in": 3599.5, "ext_expires_in": "3599", "token_type": "bearer"}),
        json!({"expires_in": -1, "scope": ["openid", "email"]}),
        json!({"token_type": null, "scope": null, "refresh_token": null}),
        json!({"token_type": 7, "access_token": {"a": 1}, "not-before-policy": 0}),
        json!({"access_token": null, "session_state": [1]}),
    ]
    .into_iter()
    .enumerate()
    {
        let code = format!("code-{code}");
        let mut answer = odd.clone();
        answer["id_token"] = token.clone().into();
        bed.double.answer(&code, answer);
        let read = bed
            .redeem_code(&code)
            .await
            .unwrap_or_else(|error| panic!("{error}: {odd}"));
        assert_eq!(read.email.as_deref(), Some("ada@example.com"));
    }
    for answer in [
        json!({"id_token": 7}),
        json!({"access_token": "a"}),
        json!([]),
    ] {
        bed.double.answer("code", answer.clone());
        let refused = bed.redeem_code("code").await;
        assert!(
            matches!(refused, Err(ProviderError::Untrustworthy(_))),
            "{answer}"
        );
    }
    let unknown = bed.redeem_code("unknown").await;
    assert_eq!(unknown.err(), Some(ProviderRefusal::Code.into()));
}

/// A string where a list is expected, and a boolean as a string.
#[tokio::test]
async fn odd_metadata_are_read_as_far_as_they_are_needed() {
    let bed = Bed::new();
    bed.double.say(
        "token_endpoint_auth_methods_supported",
        json!("client_secret_post"),
    );
    bed.double.say("claims_supported", json!(7));
    bed.verify_claims(&bed.claims()).await.unwrap();
    let strict = Bed::new();
    strict.double.say(
        "authorization_response_iss_parameter_supported",
        json!("true"),
    );
    let token = strict.double.token(&strict.claims());
    strict.double.grant("code", &token);
    let refused = strict.redeem_code("code").await;
    assert_eq!(
        refused.err(),
        Some(ProviderError::MixedUp),
        "it promised to say its name"
    );
}

impl Bed {
    pub(super) async fn redeem_code(
        &self,
        code: &str,
    ) -> Result<authentication_domain::federation::IdentityClaims, ProviderError> {
        let grant = CodeGrant {
            code: &code.to_owned().into(),
            issuer: None,
            redirect_uri: "https://shop.example/cb",
            verifier: &"v".repeat(64).into(),
        };
        self.provider.redeem(&grant).await
    }
}
