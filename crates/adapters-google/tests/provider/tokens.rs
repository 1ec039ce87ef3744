//! Invalid tokens (T30, and the part of T31 and T32 that needs no store).

use authentication_app::ports::{ProviderError, ProviderRefusal};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use testkit::servers::{OpenIdDouble, maced, unsigned};

use super::Bed;

impl Bed {
    async fn assert_refused(&self, token: &str, refusal: ProviderRefusal, what: &str) {
        let refused = self.verify(token).await;
        assert_eq!(
            refused.err(),
            Some(ProviderError::Refused(refusal)),
            "{what}"
        );
    }
}

/// T30: a token for another client.
#[tokio::test]
async fn t30_a_token_for_somebody_else_is_refused() {
    let bed = Bed::new();
    for audience in [
        json!("other"),
        json!(["other"]),
        json!(["site", "other"]),
        json!([]),
        json!(""),
        json!("SITE"),
        json!("site "),
    ] {
        let token = bed.double.token(&bed.but("aud", audience.clone()));
        bed.assert_refused(&token, ProviderRefusal::Audience, &audience.to_string())
            .await;
    }
    // A token for several of our clients must say which of them asked for it.
    let several = bed
        .double
        .token(&bed.but("aud", json!(["site", "android"])));
    bed.assert_refused(&several, ProviderRefusal::Audience, "several without azp")
        .await;
    for (audience, party) in [
        (json!("site"), "other"),
        (json!(["site", "android"]), "other"),
        (json!("site"), ""),
    ] {
        let mut claims = bed.but("aud", audience);
        claims["azp"] = party.into();
        bed.assert_refused(&bed.double.token(&claims), ProviderRefusal::Audience, party)
            .await;
    }
    for (audience, party) in [
        (json!("site"), "site"),
        (json!("site"), "android"),
        (json!("android"), "android"),
        (json!(["site"]), "site"),
        (json!(["android", "site"]), "android"),
    ] {
        let mut claims = bed.but("aud", audience);
        claims["azp"] = party.into();
        bed.verify_claims(&claims).await.unwrap();
    }
    let nobody = bed.verify_claims(&bed.but("aud", Value::Null)).await;
    assert!(nobody.is_err());
}

/// T30: a token of another issuer.
#[tokio::test]
async fn t30_a_token_of_another_issuer_is_refused() {
    let bed = Bed::new();
    let issuer = bed.double.issuer();
    for other in [
        format!("{issuer}/"),
        issuer.replace("127.0.0.1", "127.0.0.1.evil"),
        issuer.to_uppercase(),
        format!("{issuer}?x"),
        "https://accounts.google.com".to_owned(),
        "https://accounts.google.com.evil".to_owned(),
        "https://accounts.google.com/".to_owned(),
        issuer.replace("127.0.0.1", "localhost"),
    ] {
        let token = bed.double.token(&bed.but("iss", json!(other)));
        bed.assert_refused(&token, ProviderRefusal::Issuer, &other)
            .await;
    }
    for unreadable in [json!(null), json!(""), json!(7), json!([issuer])] {
        let refused = bed.verify_claims(&bed.but("iss", unreadable.clone())).await;
        assert!(
            matches!(refused, Err(ProviderError::Refused(_))),
            "{unreadable}"
        );
    }
}

/// T30: an expired token, or one from the future, to the second.
#[tokio::test]
async fn t30_a_token_out_of_its_time_is_refused() {
    let bed = Bed::new();
    let now = bed.claims()["iat"].as_i64().unwrap();
    for (claim, good, bad) in [
        ("exp", now - 59, now - 60),
        ("iat", now + 60, now + 61),
        ("nbf", now + 60, now + 61),
    ] {
        bed.verify_claims(&bed.but(claim, json!(good)))
            .await
            .unwrap();
        let token = bed.double.token(&bed.but(claim, json!(bad)));
        bed.assert_refused(&token, ProviderRefusal::Time, claim)
            .await;
    }
    for claim in ["exp", "iat", "nbf"] {
        for nonsense in [
            json!("soon"),
            json!("1767225600"),
            json!(-1e300),
            json!([1]),
            json!(true),
        ] {
            let refused = bed.verify_claims(&bed.but(claim, nonsense.clone())).await;
            assert!(
                matches!(refused, Err(ProviderError::Refused(_))),
                "{claim} {nonsense}"
            );
        }
        let unsaid = bed.verify_claims(&bed.but(claim, Value::Null)).await;
        assert_eq!(unsaid.is_ok(), claim == "nbf", "{claim}");
    }
}

/// T30: an unsigned token, one with a shared secret, and one with a key of its own choice.
#[tokio::test]
async fn t30_only_a_key_of_the_provider_signs() {
    let bed = Bed::new();
    let claims = bed.claims();
    let good = bed.double.token(&claims);
    let (text, signature) = good.rsplit_once('.').unwrap();
    let signature = BASE64.decode(signature).unwrap();
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        for signature in [&[][..], &signature] {
            let token = unsigned(
                &json!({"alg": algorithm, "kid": "key-1"}),
                &claims,
                signature,
            );
            assert!(bed.verify(&token).await.is_err(), "{algorithm}");
        }
    }
    let published = bed.double.public_key();
    let point = [
        b"\x04".to_vec(),
        part(&published, "x"),
        part(&published, "y"),
    ]
    .concat();
    for secret in [
        point,
        published.to_string().into_bytes(),
        b"secret".to_vec(),
        Vec::new(),
    ] {
        for header in [
            json!({"alg": "HS256", "kid": "key-1"}),
            json!({"alg": "HS256"}),
        ] {
            bed.assert_refused(
                &maced(&header, &claims, &secret),
                ProviderRefusal::Signature,
                "maced",
            )
            .await;
        }
    }
    // A signature of another provider, a changed one, and a header that brings its own key.
    let forger = OpenIdDouble::start();
    bed.assert_refused(&forger.token(&claims), ProviderRefusal::Signature, "forged")
        .await;
    let mut changed = signature.clone();
    changed[10] ^= 1;
    let changed = format!("{text}.{}", BASE64.encode(changed));
    bed.assert_refused(&changed, ProviderRefusal::Signature, "changed")
        .await;
    let own =
        json!({"alg": "ES256", "kid": "key-1", "jwk": forger.public_key(), "jku": forger.issuer()});
    bed.assert_refused(
        &forger.token_with_header(&own, &claims),
        ProviderRefusal::Signature,
        "own key",
    )
    .await;
    assert!(
        forger.requests_to("/keys").is_empty(),
        "nobody is asked whom a token names"
    );
    for header in [
        json!({"alg": "ES384", "kid": "key-1"}),
        json!({"alg": "RS256", "kid": "key-1"}),
        json!({"alg": "ES256", "kid": "key-1", "crit": ["exp"]}),
        json!({"alg": "ES256", "kid": "key-1", "cty": "JWT"}),
        json!({"alg": "ES256", "kid": "../../dev/null"}),
        json!({"alg": "ES256", "kid": 7}),
    ] {
        let refused = bed
            .verify(&bed.double.token_with_header(&header, &claims))
            .await;
        assert!(
            matches!(refused, Err(ProviderError::Refused(_))),
            "{header}"
        );
    }
}

/// T30, T32: unreadable tokens, and claims of a wrong type.
#[tokio::test]
async fn t32_only_yes_verifies_an_address_and_nonsense_is_no_token() {
    let bed = Bed::new();
    for (answer, is_verified) in [
        (json!(true), true),
        (json!("true"), true),
        (json!("True"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!("FALSE"), false),
        (json!(" true"), false),
        (json!("yes"), false),
        (json!("1"), false),
        (json!(""), false),
        (json!(1), false),
        (json!([true]), false),
        (json!({"value": true}), false),
    ] {
        let claims = bed.but("email_verified", answer.clone());
        let read = bed.verify_claims(&claims).await.unwrap();
        assert_eq!(read.email_verified, Some(is_verified), "{answer}");
    }
    let mut claims = bed.claims();
    claims["email_verified"] = Value::Null;
    let nothing = bed.verify_claims(&claims).await.unwrap();
    assert_eq!(nothing.email_verified, Some(false), "null");
    claims.as_object_mut().unwrap().remove("email_verified");
    let unsaid = bed.verify_claims(&claims).await.unwrap();
    assert_eq!(unsaid.email_verified, None, "only silence is silence");
    for subject in [
        json!(null),
        json!(""),
        json!("a\u{0}b"),
        json!("é"),
        json!("1".repeat(256)),
        json!(7),
    ] {
        let refused = bed.verify_claims(&bed.but("sub", subject.clone())).await;
        assert!(
            matches!(refused, Err(ProviderError::Refused(_))),
            "{subject}"
        );
    }
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        "{}",
        "null",
        "eyJhbGciOiJub25lIn0.e30.",
        &"a".repeat(8_192),
    ] {
        bed.assert_refused(text, ProviderRefusal::Unreadable, text)
            .await;
    }
    let nothing = bed
        .verify_claims(&bed.but("nonce", Value::Null))
        .await
        .unwrap();
    assert_eq!(nothing.nonce, None, "whoever asks looks at it");
}

/// Claims that are not used must be valid text as well (RFC 7519 §7.2).
#[tokio::test]
async fn a_claim_that_is_not_utf_8_is_refused() {
    let bed = Bed::new();
    for claim in ["sub", "nonce", "email", "name", "hd", "picture"] {
        let claims = bed.but(claim, json!("mark")).to_string();
        let (before, after) = claims.split_once("mark").unwrap();
        let claims = [before.as_bytes(), b"\xff", after.as_bytes()].concat();
        let token = bed.double.raw_token(&claims);
        bed.assert_refused(&token, ProviderRefusal::Unreadable, claim)
            .await;
    }
    let unread = bed.but("picture", json!("é")).to_string();
    let token = bed.double.raw_token(unread.as_bytes());
    bed.verify(&token).await.unwrap();
}

fn part(key: &Value, name: &str) -> Vec<u8> {
    BASE64.decode(key[name].as_str().unwrap()).unwrap()
}
