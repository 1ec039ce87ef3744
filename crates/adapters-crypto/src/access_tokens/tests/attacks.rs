//! The known attacks on JWT verifiers (RFC 8725), one per test. A test of any other control than the
//! signature uses a token that is signed with the right key.

use authentication_app::ports::Macs as _;
use authentication_domain::sessions::{DeviceToken, RefreshToken};
use aws_lc_rs::hmac;

use super::*;
use crate::TokenMacs;

// ---- T01: no signature

#[test]
fn a_token_without_a_signature_is_refused_however_it_is_spelled() {
    let it = fixture();
    let token = it.token();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let payload = signed.split_once('.').unwrap().1;
    for algorithm in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        json!(" none"),
        Value::Null,
        json!(["none"]),
        json!(["EdDSA"]),
        json!(1),
        json!("eddsa"),
        json!("Ed25519"),
    ] {
        let mut header = it.header();
        header["alg"] = algorithm;
        let header = encode(&header.to_string());
        it.refuses(&format!("{header}.{payload}."));
        it.refuses(&format!("{header}.{payload}"));
        it.refuses(&format!("{header}.{payload}.{signature}"));
    }
    let mut header = it.header();
    header.as_object_mut().unwrap().remove("alg");
    it.refuses(&it.signed(&header.to_string(), &it.payload().to_string()));
    it.refuses(&format!("{signed}."));
    it.refuses(signed);
}

#[test]
fn not_one_character_of_a_token_can_be_changed() {
    let it = fixture();
    let token = it.token();
    it.accepts(&token);
    for at in 0..token.len() {
        let mut changed = token.clone();
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        changed.replace_range(at..=at, other);
        it.refuses(&changed);
    }
}

// ---- T02: the public key as an HMAC secret

#[test]
fn the_public_key_is_no_hmac_secret() {
    let it = fixture();
    let keys = it.signer.public_keys();
    let raw = URL_SAFE_NO_PAD
        .decode(keys["keys"][0]["x"].as_str().unwrap())
        .unwrap();
    // SubjectPublicKeyInfo of an Ed25519 key: a fixed head, then the point (RFC 8410 §4).
    let mut der = vec![
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    der.extend_from_slice(&raw);
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        STANDARD.encode(&der)
    );
    let secrets = [
        raw,
        der,
        format!("{pem}\n").into_bytes(),
        pem.into_bytes(),
        keys["keys"][0].to_string().into_bytes(),
        format!("{}\n", keys["keys"][0]).into_bytes(),
        keys.to_string().into_bytes(),
        keys["keys"][0]["x"].as_str().unwrap().as_bytes().to_vec(),
        Vec::new(),
    ];
    for secret in &secrets {
        for (name, algorithm) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
            ("EdDSA", hmac::HMAC_SHA512),
        ] {
            let mut header = it.header();
            header["alg"] = name.into();
            let signed = format!(
                "{}.{}",
                encode(&header.to_string()),
                encode(&it.payload().to_string())
            );
            let mac = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
            it.refuses(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)));
        }
    }
}

// ---- T03: a header that brings or names its own key

#[test]
fn a_header_cannot_choose_a_key_that_is_not_ours() {
    let it = fixture();
    for kid in [
        json!("../../../../dev/null"),
        json!("' UNION SELECT 'k"),
        json!("x".repeat(10_000)),
        json!("\u{0}"),
        json!(7),
        json!([it.header()["kid"]]),
        json!({}),
        json!(""),
        Value::Null,
        json!(format!("{} ", it.header()["kid"].as_str().unwrap())),
    ] {
        it.refuses(&it.with_header("kid", kid));
    }
    let foreign = fixture_on(keys(2));
    it.refuses(&foreign.token());
    it.refuses(&foreign.with_header("kid", it.header()["kid"].clone()));
}

#[test]
fn a_header_with_anything_more_in_it_is_refused_although_well_signed() {
    let it = fixture();
    let key = it.signer.public_keys()["keys"][0].clone();
    for (member, value) in [
        ("jwk", key),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/certificate")),
        ("x5c", json!(["AAAA"])),
        ("x5t", json!("AAAA")),
        ("url", json!("http://127.0.0.1:1/")),
        ("nonce", json!("n")),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("p2c", json!(1_000_000_000)),
        ("enc", json!("A128GCM")),
        ("unheard-of", json!(1)),
    ] {
        it.refuses(&it.with_header(member, value));
    }
    let mut unencoded = it.header();
    unencoded["crit"] = json!(["b64"]);
    unencoded["b64"] = json!(false);
    it.refuses(&it.signed(&unencoded.to_string(), &it.payload().to_string()));
}

// ---- T04: times

#[test]
fn a_token_counts_from_its_issue_to_its_expiry_give_or_take_the_leeway() {
    let it = fixture();
    let token = it.token();
    let still = Duration::minutes(10) + JwtConfig::LEEWAY - Duration::SECOND;
    it.accepts(&token);
    it.clock.advance(still);
    it.accepts(&token);
    it.clock.advance(Duration::SECOND);
    it.refuses(&token);
    let fresh = fixture();
    fresh.clock.advance(still + Duration::SECOND);
    fresh.refuses(&token);

    let early = fixture();
    early.clock.advance(-JwtConfig::LEEWAY);
    early.accepts(&token);
    let too_early = fixture();
    too_early
        .clock
        .advance(-JwtConfig::LEEWAY - Duration::SECOND);
    too_early.refuses(&token);
}

#[test]
fn a_time_is_a_whole_finite_number_and_there() {
    let it = fixture();
    let later = (NOW + Duration::hours(1)).unix_timestamp();
    it.refuses(&it.with_claim("nbf", json!(later)));
    it.refuses(&it.with_claim("iat", json!(later)));
    it.refuses(&it.with_claim("exp", json!(NOW.unix_timestamp() - 6)));
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for raw in [
            "\"1795349400\"",
            "1e999",
            "-1e999",
            "9e18",
            "9223372036854775807",
            "1795349400.5",
            "1795349400.0",
            "1.7953494e9",
            "18446744073709551615",
            "null",
            "true",
            "[1795349400]",
            "{}",
            "\"\"",
            "99999999999999999999999999",
            "-9223372036854775808",
        ] {
            it.refuses(&it.with_raw_claim(name, raw));
        }
    }
    it.refuses(&it.with_raw_claim("exp", "-1"));
    it.refuses(&it.with_raw_claim("exp", "0"));
}

#[test]
fn every_claim_is_needed_and_is_there_once() {
    let it = fixture();
    let payload = it.payload();
    for name in payload.as_object().unwrap().keys() {
        let mut without = payload.clone();
        without.as_object_mut().unwrap().remove(name);
        let without = it.signed(&it.header().to_string(), &without.to_string());
        // A token of the release without this claim is older than any proof.
        if name == "gen" {
            assert_eq!(it.signer.verify(&without).unwrap().generation, 0);
        } else {
            it.refuses(&without);
        }
        it.refuses(&it.with_claim(name, Value::Null));
        it.refuses(&it.with_claim(name, json!({})));
        let twice =
            payload
                .to_string()
                .replacen('{', &format!("{{\"{name}\":{},", payload[name]), 1);
        it.refuses(&it.signed(&it.header().to_string(), &twice));
    }
    for name in ["typ", "alg", "kid"] {
        let header = it.header();
        let twice = header
            .to_string()
            .replacen('{', &format!("{{\"{name}\":{},", header[name]), 1);
        it.refuses(&it.signed(&twice, &payload.to_string()));
    }
}

#[test]
fn a_claim_we_do_not_know_changes_nothing() {
    let it = fixture();
    let token = it.with_claim("scope", json!("everything"));
    assert_eq!(it.signer.verify(&token), Ok(claims()));
}

/// Claims must be UTF-8, even those that are not read (RFC 7519 §7.2, RFC 8259 §8.1). One claim at a time.
#[test]
fn a_claim_that_is_not_utf_8_is_refused() {
    let it = fixture();
    let sign = |text: &str, with: &[u8]| {
        let (before, after) = text.split_once('?').unwrap();
        [before.as_bytes(), with, after.as_bytes()].concat()
    };
    let token = |header: &[u8], payload: &[u8]| {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", part(header), part(payload));
        let keys = it.keys.load();
        let signature = keys.signing.signer.sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", part(&signature))
    };
    let (header, payload) = (it.header(), it.payload());
    let mut names: Vec<_> = payload.as_object().unwrap().keys().cloned().collect();
    names.push("scope".to_owned());
    for name in &names {
        // In the claim's value, in a nested value, and in a member name.
        for raw in ["\"?\"", "[\"?\"]", "{\"?\":1}"] {
            let mut marked = payload.clone();
            marked[name] = "mark".into();
            let marked = marked.to_string().replace("\"mark\"", raw);
            for junk in [
                &b"\xff"[..],
                b"\xc3",
                b"\xc0\x80",
                b"\xed\xa0\x80",
                b"a\xf8b",
            ] {
                let payload = sign(&marked, junk);
                it.refuses(&token(header.to_string().as_bytes(), &payload));
            }
        }
    }
    let unread = payload.to_string().replacen('{', "{\"scope\":\"?\",", 1);
    it.accepts(&token(
        header.to_string().as_bytes(),
        &sign(&unread, "é".as_bytes()),
    ));
    for name in ["typ", "alg", "kid"] {
        let mut marked = header.clone();
        marked[name] = "?".into();
        let header = sign(&marked.to_string(), b"\xff");
        it.refuses(&token(&header, payload.to_string().as_bytes()));
    }
}

// ---- T05: for another audience, from another issuer, about another subject

#[test]
fn issuer_audience_client_and_subject_are_compared_to_the_letter() {
    let it = fixture();
    it.accepts(&it.with_claim("iss", json!("https://auth.example")));
    for (name, values) in [
        (
            "iss",
            vec![
                json!("https://auth.example/"),
                json!("https://AUTH.example"),
                json!("HTTPS://auth.example"),
                json!("http://auth.example"),
                json!(" https://auth.example"),
                json!(""),
                json!(["https://auth.example"]),
            ],
        ),
        (
            "aud",
            vec![
                json!("other"),
                json!(["fashionistar"]),
                json!(["other"]),
                json!(["fashionistar", "other"]),
                json!([]),
                json!("Fashionistar"),
                json!("fashionistar "),
                json!(""),
            ],
        ),
        ("client_id", vec![json!("other"), json!(""), json!(["web"])]),
        (
            "sub",
            vec![
                json!("ada"),
                json!(""),
                json!(1),
                json!(["00000000-0000-0000-0000-000000000001"]),
                json!("00000000000000000000000000000001"),
                json!("{00000000-0000-0000-0000-000000000001}"),
                json!("urn:uuid:00000000-0000-0000-0000-000000000001"),
                json!("00000000-0000-0000-0000-00000000000A"),
                json!(" "),
            ],
        ),
        ("sid", vec![json!("x"), json!(2), json!([])]),
        ("jti", vec![json!(""), json!(1)]),
        (
            "roles",
            vec![
                json!("admin"),
                json!(["root"]),
                json!([1]),
                json!({"admin": true}),
            ],
        ),
        (
            "amr",
            vec![
                json!("pwd"),
                json!([]),
                json!(["none"]),
                json!(["pwd", "otp"]),
            ],
        ),
        ("acr", vec![json!(1), json!("0"), json!("")]),
    ] {
        for value in values {
            it.refuses(&it.with_claim(name, value));
        }
    }
}

// ---- T06: other kinds of tokens

#[test]
fn no_other_token_of_ours_is_an_access_token() {
    let it = fixture();
    let macs = TokenMacs::new(Arc::clone(&it.keys));
    let (device, account) = (Id::from_uuid(Uuid::from_u128(3)), claims().account);
    let refresh = macs
        .refresh_token(&macs.current_refresh_key(), claims().session, 1)
        .unwrap();
    it.refuses(refresh.expose_secret());
    it.refuses(macs.device_token(device, account).expose_secret());
    assert!(RefreshToken::parse(&it.token()).is_none());
    assert!(DeviceToken::parse(&it.token()).is_none());
}

// ---- T07: token types

#[test]
fn only_the_documented_kind_is_accepted_although_well_signed() {
    let it = fixture();
    it.accepts(&it.with_header("typ", json!("at+jwt")));
    for kind in [
        json!("JWT"),
        json!("jwt"),
        json!("AT+JWT"),
        json!("At+Jwt"),
        json!("application/at+jwt"),
        json!("id+jwt"),
        json!("logout+jwt"),
        json!(""),
        json!("at+jwt "),
        Value::Null,
        json!(["at+jwt"]),
        json!(1),
    ] {
        it.refuses(&it.with_header("typ", kind));
    }
    let mut header = it.header();
    header.as_object_mut().unwrap().remove("typ");
    it.refuses(&it.signed(&header.to_string(), &it.payload().to_string()));
}

// ---- shapes

#[test]
fn what_is_not_three_parts_of_base64url_is_refused() {
    let it = fixture();
    let token = it.token();
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        panic!("three parts")
    };
    for malformed in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}.{payload}. {signature}"),
        format!("{token}\n"),
        format!(" {token}"),
        format!("Bearer {token}"),
        token.replace('.', "\u{0}"),
    ] {
        it.refuses(&malformed);
    }
    let members =
        |value: Value| -> Value { value.as_object().unwrap().values().cloned().collect() };
    it.refuses(&it.signed(&members(it.header()).to_string(), &it.payload().to_string()));
    it.refuses(&it.signed(&it.header().to_string(), &members(it.payload()).to_string()));
    it.refuses(&it.signed(&it.header().to_string(), "null"));
    it.refuses(&it.signed(&it.header().to_string(), &format!("{}x", it.payload())));
}

#[test]
fn a_token_that_is_too_long_is_refused_although_well_signed() {
    let it = fixture();
    it.accepts(&it.with_claim("padding", json!("x".repeat(1_000))));
    it.refuses(&it.with_claim("padding", json!("x".repeat(4_000))));
    it.refuses(&"x".repeat(10_000_000));
    it.refuses(&"[".repeat(4_000));
    it.refuses(&it.signed(&it.header().to_string(), &"[".repeat(2_500)));
}

proptest! {
    #[test]
    fn nothing_that_was_not_signed_is_accepted_and_nothing_panics(
        header in "\\PC{0,60}", payload in "\\PC{0,120}", text in "\\PC{0,200}",
    ) {
        let it = fixture();
        let refused = Err(InvalidToken);
        prop_assert_eq!(it.signer.verify(&text), refused.clone());
        prop_assert_eq!(it.signer.verify(&it.signed(&header, &payload)), refused.clone());
        let right = it.header().to_string();
        prop_assert_eq!(it.signer.verify(&it.signed(&right, &payload)), refused);
    }
}
