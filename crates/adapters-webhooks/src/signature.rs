//! Signatures of Standard Webhooks ("Signature scheme"): HMAC-SHA256 over `id.timestamp.body`.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use zeroize::Zeroizing;

/// The prefix by which secret scanners recognise a leaked secret.
const PREFIX: &str = "whsec_";
/// The length of a secret in bytes, as the specification requires.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The text is no Standard Webhooks secret. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and 24 to 64 random bytes in base64")]
pub struct InvalidSecret;

/// A secret that the service shares with one receiver.
#[derive(Clone)]
pub struct SigningSecret(Key);

impl SigningSecret {
    /// Parses `whsec_…`.
    ///
    /// # Errors
    /// [`InvalidSecret`].
    pub fn parse(text: &SecretString) -> Result<Self, InvalidSecret> {
        let encoded = text.expose_secret().trim().strip_prefix(PREFIX);
        let bytes = STANDARD
            .decode(encoded.ok_or(InvalidSecret)?)
            .map(Zeroizing::new)
            .map_err(|_| InvalidSecret)?;
        if BYTES.contains(&bytes.len()) {
            Ok(Self(Key::new(HMAC_SHA256, &bytes)))
        } else {
            Err(InvalidSecret)
        }
    }

    fn sign(&self, content: &str) -> String {
        let tag = sign(&self.0, content.as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// The `webhook-signature` header: one signature for each secret, so that a receiver may have either during a rotation.
pub(crate) fn signatures(
    secrets: &[SigningSecret],
    id: &str,
    timestamp: i64,
    body: &str,
) -> String {
    let content = format!("{id}.{timestamp}.{body}");
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(&content)).collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &str = r#"{"test": 2432232314}"#;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::parse(&text.into()).unwrap()
    }

    /// The test vector of the specification's own libraries.
    #[test]
    fn t78_signatures_are_those_of_the_published_vector() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(
            signatures(&[secret], ID, 1_614_265_330, BODY),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn two_secrets_make_two_signatures_and_everything_signed_counts() {
        let first = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let second = secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let of = |secrets: &[SigningSecret], id, at, body| signatures(secrets, id, at, body);
        let both = of(&[second.clone(), first.clone()], ID, 1, BODY);
        let (new, old) = both.split_once(' ').unwrap();
        assert_eq!(new, of(std::slice::from_ref(&second), ID, 1, BODY));
        assert_eq!(old, of(std::slice::from_ref(&first), ID, 1, BODY));
        assert_ne!(old, of(std::slice::from_ref(&first), "msg_x", 1, BODY));
        assert_ne!(old, of(std::slice::from_ref(&first), ID, 2, BODY));
        assert_ne!(old, of(&[first], ID, 1, "{}"));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_none_is_shown() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_not base64 not base64 not base64",
            "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &short,
            &long,
        ] {
            assert_eq!(
                SigningSecret::parse(&text.into()).err(),
                Some(InvalidSecret),
                "{text}"
            );
        }
        let shown = format!("{:?}", secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        assert_eq!(shown, "SigningSecret(…)");
    }
}
