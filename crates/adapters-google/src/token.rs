//! An ID token as it was sent, before anything in it is trusted (RFC 7515 §3.1, OpenID Connect Core 1.0 §2).
//!
//! The claims that decide about subject, issuer, audience and time must have the type of the standard. Everything else
//! may have any shape: providers send dates instead of numbers, numbers instead of strings and strings instead of
//! objects. A claim that is not needed never makes a token unreadable.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The header (RFC 7515 §4.1).
#[derive(Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    typ: Option<String>,
    cty: Option<String>,
    crit: Option<Vec<String>>,
}

impl Header {
    /// Whether it is the header of a plain JWT: without critical extensions (RFC 7515 §4.1.11), and without a nested
    /// token (RFC 7519 §5.2).
    pub(crate) fn is_plain(&self) -> bool {
        let is_jwt = self.typ.as_deref().is_none_or(|name| {
            let name = name.to_ascii_lowercase();
            let name = name.strip_prefix("application/").unwrap_or(&name);
            matches!(name, "jwt" | "jose")
        });
        is_jwt && self.cty.is_none() && self.crit.is_none()
    }
}

/// The claims that are used here.
#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    #[serde(deserialize_with = "one_or_several")]
    pub(crate) aud: Vec<String>,
    pub(crate) azp: Option<String>,
    pub(crate) exp: Instant,
    pub(crate) iat: Instant,
    pub(crate) nbf: Option<Instant>,
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    pub(crate) nonce: Option<String>,
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    pub(crate) email: Option<String>,
    /// `None` if it is absent. A value that cannot be read counts as `false`.
    #[serde(default, deserialize_with = "yes_or_no")]
    pub(crate) email_verified: Option<bool>,
    /// The organisation; a claim of Google's.
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    pub(crate) hd: Option<String>,
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    pub(crate) given_name: Option<String>,
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    pub(crate) family_name: Option<String>,
    #[serde(default, deserialize_with = "if_it_can_be_read")]
    pub(crate) locale: Option<String>,
}

/// A `NumericDate` (RFC 7519 §2): seconds since 1970, possibly with a fraction.
#[derive(Clone, Copy, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Instant(pub(crate) f64);

impl TryFrom<f64> for Instant {
    type Error = &'static str;

    /// Times before 1970 or after the year 9999 are invalid in a token.
    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        if (0.0..253_402_300_800.0).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err("not a time of a token")
        }
    }
}

/// A token, split into its parts.
pub(crate) struct Token<'t> {
    pub(crate) header: Header,
    pub(crate) claims: Claims,
    /// The signed part: header and claims as they were sent.
    pub(crate) signed: &'t str,
    pub(crate) signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// `None` if it is not a signed token, or lacks a claim that every ID token has.
    pub(crate) fn read(text: &'t str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

/// As text first (RFC 7519 §7.2), because serde does not check the encoding of the members that it skips. A second dot
/// is no base64, so a part that contains one is rejected.
fn part<T: DeserializeOwned>(encoded: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    serde_json::from_str(std::str::from_utf8(&bytes).ok()?).ok()
}

/// `aud` is a string, or a list of strings.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(one) => vec![one],
        Audience::Several(several) => several,
    })
}

/// A boolean, or `"true"` or `"false"` as a string, as some providers send it. Any other value counts as `false`. Only
/// an absent claim may be replaced by what the operator configured for a domain.
fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        Boolean(bool),
        Word(String),
    }
    Ok(Some(match if_it_can_be_read(deserializer)? {
        Some(Answer::Boolean(answer)) => answer,
        Some(Answer::Word(word)) => word.eq_ignore_ascii_case("true"),
        None => false,
    }))
}

/// A value of the wrong type counts as absent. The raw text is parsed separately, because half of a surrogate pair or
/// an out-of-range number cannot even become a JSON value.
pub(crate) fn if_it_can_be_read<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}
