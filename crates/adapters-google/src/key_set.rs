//! The keys that a provider publishes (JWKS, RFC 7517 §5), and which of them are accepted for signatures.
//!
//! Unacceptable keys are skipped, as RFC 7517 §5 requires. A set without a single acceptable key is rejected as a
//! whole, so that it never replaces good keys.

use authentication_app::ports::ProviderError;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most keys that a set may have. Google publishes two; each verification searches the whole set.
const MOST_KEYS: usize = 32;
/// Bits of an RSA modulus. The minimum is from NIST SP 800-131A; the maximum bounds the work.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
/// RSA exponents. The minimum is from FIPS 186-5 §5.4; the maximum bounds the work.
const EXPONENTS: std::ops::RangeInclusive<u64> = 65_537..=0x1_ffff_ffff;
/// Bytes of a P-256 coordinate (RFC 7518 §6.2.1.2: leading zeros included).
const COORDINATE: usize = 32;

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// Parses the document and keeps the keys that may sign.
///
/// # Errors
/// [`ProviderError::Untrustworthy`] if it is not a key set, or has no key that may sign.
pub(crate) fn read(document: &[u8]) -> Result<CoreJsonWebKeySet, ProviderError> {
    let unreadable = ProviderError::Untrustworthy("its keys cannot be read");
    let text = std::str::from_utf8(document).map_err(|_| unreadable)?;
    let document: Document = serde_json::from_str(text).map_err(|_| unreadable)?;
    if document.keys.len() > MOST_KEYS {
        return Err(ProviderError::Untrustworthy("it has too many keys"));
    }
    let published = document.keys.len();
    let sound = |key: &Value| key.as_object().is_some_and(may_sign);
    let keys: Vec<CoreJsonWebKey> = document
        .keys
        .into_iter()
        .filter(sound)
        .filter_map(|key| serde_json::from_value(key).ok())
        .collect();
    if keys.is_empty() {
        return Err(ProviderError::Untrustworthy("none of its keys may sign"));
    }
    if keys.len() < published {
        tracing::info!(
            published,
            usable = keys.len(),
            "keys of the identity provider are passed over"
        );
    }
    Ok(CoreJsonWebKeySet::new(keys))
}

/// Whether it is a public signature key, for an accepted algorithm, and strong enough. A shared secret (`oct`) is not,
/// nor is a private key that was published.
fn may_sign(key: &Map<String, Value>) -> bool {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let is = |name: &str, expected: &str| match key.get(name) {
        None => true,
        Some(value) => value.as_str() == Some(expected),
    };
    let operations = match key.get("key_ops") {
        None => true,
        Some(operations) => {
            let mut operations = operations.as_array().into_iter().flatten();
            operations.any(|it| it.as_str() == Some("verify"))
        }
    };
    let is_public = !key.contains_key("d") && !key.contains_key("k");
    let is_sound = match text("kty") {
        Some("RSA") => is("alg", "RS256") && is_rsa(text("n"), text("e")),
        Some("EC") => {
            let is_coordinate = |name| bytes(text(name)).is_some_and(|it| it.len() == COORDINATE);
            is("alg", "ES256")
                && text("crv") == Some("P-256")
                && is_coordinate("x")
                && is_coordinate("y")
        }
        _ => false,
    };
    is("use", "sig") && operations && is_public && is_sound
}

fn is_rsa(modulus: Option<&str>, exponent: Option<&str>) -> bool {
    let (Some(modulus), Some(exponent)) = (bytes(modulus), bytes(exponent)) else {
        return false;
    };
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let significant = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        number.get(zeros..).map(<[u8]>::to_vec).unwrap_or_default()
    };
    let (modulus, exponent) = (significant(&modulus), significant(&exponent));
    let bits = modulus.first().map_or(0, |first| {
        let unset = usize::try_from(first.leading_zeros()).unwrap_or(8);
        modulus.len().saturating_mul(8).saturating_sub(unset)
    });
    let exponent_is_sound = exponent.len() <= 8 && {
        let number = exponent
            .iter()
            .fold(0, |so_far: u64, byte| so_far << 8 | u64::from(*byte));
        EXPONENTS.contains(&number)
    };
    MODULUS_BITS.contains(&bits) && is_odd(&modulus) && exponent_is_sound && is_odd(&exponent)
}

fn bytes(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openidconnect::JsonWebKey as _;
    use serde_json::json;

    fn number(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Value {
        json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rsa",
            "n": number(modulus), "e": number(exponent),
        })
    }

    fn ec() -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "kid": "ec",
            "x": number(&[1; 32]), "y": number(&[2; 32]),
        })
    }

    fn but(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn usable(keys: &[Value]) -> Option<usize> {
        let document = json!({ "keys": keys }).to_string();
        Some(read(document.as_bytes()).ok()?.keys().len())
    }

    #[test]
    fn an_rsa_key_has_2048_bits_and_an_odd_exponent_that_is_not_small() {
        let strong = [0xff; 256];
        let mut bit_less = strong;
        bit_less[0] = 0x7f;
        let mut even = strong;
        even[255] = 0xfe;
        let padded = [&[0][..], &strong].concat();
        let zeros = [&[0; 128][..], &[0xff; 128]].concat();
        for (modulus, exponent, expected) in [
            (&strong[..], &[1, 0, 1][..], true),
            (&padded, &[1, 0, 1], true),
            (&[0xff; 1_024], &[1, 0, 1], true),
            (&strong, &[0, 1, 0, 1], true),
            (&[0xff; 1_025], &[1, 0, 1], false),
            (&[0xff; 128], &[1, 0, 1], false),
            (&bit_less, &[1, 0, 1], false),
            (&zeros, &[1, 0, 1], false),
            (&even, &[1, 0, 1], false),
            (&strong, &[3], false),
            (&strong, &[1], false),
            (&strong, &[0], false),
            (&strong, &[], false),
            (&strong, &[1, 0, 0], false),
            (&strong, &[0xff; 9], false),
            (&[], &[1, 0, 1], false),
        ] {
            let found = usable(&[rsa(modulus, exponent)]);
            assert_eq!(found.is_some(), expected, "{} {exponent:?}", modulus.len());
        }
    }

    #[test]
    fn what_may_not_sign_is_passed_over() {
        let strong = || rsa(&[0xff; 256], &[1, 0, 1]);
        let secret = json!({"kty": "oct", "alg": "HS256", "k": number(&[7; 32]), "kid": "rsa"});
        for weak in [
            secret,
            but(ec(), "crv", json!("P-384")),
            but(ec(), "crv", Value::Null),
            but(ec(), "x", json!(number(&[1; 31]))),
            but(ec(), "y", json!("not base64!")),
            but(ec(), "use", json!("enc")),
            but(ec(), "use", json!(7)),
            but(ec(), "alg", json!("ES384")),
            but(ec(), "alg", json!("HS256")),
            but(ec(), "key_ops", json!(["sign"])),
            but(ec(), "key_ops", json!("verify")),
            but(ec(), "d", json!(number(&[3; 32]))),
            but(ec(), "k", json!(number(&[3; 32]))),
            but(ec(), "kty", json!("oct")),
            but(strong(), "alg", json!("RSA-OAEP")),
            but(strong(), "n", Value::Null),
            json!({"kty": "OKP", "crv": "Ed25519", "x": number(&[1; 32])}),
            json!({"kty": "RSA"}),
            json!({}),
            json!(7),
        ] {
            assert_eq!(usable(&[weak.clone(), ec()]), Some(1), "{weak}");
            assert_eq!(usable(std::slice::from_ref(&weak)), None, "{weak}");
        }
        let asked = but(ec(), "key_ops", json!(["verify"]));
        assert_eq!(usable(&[asked, strong(), ec()]), Some(3));
        let set = read(json!({"keys": [ec()]}).to_string().as_bytes()).unwrap();
        assert!(set.keys().iter().all(|key| key.key_id().is_some()));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        assert_eq!(usable(&[]), None);
        assert_eq!(usable(&vec![ec(); MOST_KEYS]), Some(MOST_KEYS));
        assert_eq!(usable(&vec![ec(); MOST_KEYS + 1]), None);
        let good = json!({ "keys": [ec()] }).to_string();
        let unreadable = [good.as_bytes(), b"\xff"].concat();
        let in_it = good.replacen('{', "{\"x\":\"?\",", 1);
        let in_it: Vec<u8> = in_it
            .bytes()
            .map(|byte| if byte == b'?' { 0xff } else { byte })
            .collect();
        for document in [
            &b""[..],
            b"null",
            b"[]",
            b"{}",
            b"{\"keys\":null}",
            b"{\"keys\":{}}",
            b"<html></html>",
            &unreadable,
            &in_it,
        ] {
            assert!(read(document).is_err());
        }
        assert!(read(good.as_bytes()).is_ok());
    }
}
