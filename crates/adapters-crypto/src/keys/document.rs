//! The JSON form of a key ring.
//!
//! ```json
//! {
//!   "version": 1,
//!   "origin": "provided",
//!   "field_encryption": [{ "id": "4f1c09aa", "key": "(base64 of 256 bits)" }],
//!   "signing": [{ "id": "9d2e7710", "algorithm": "EdDSA", "key": "(base64 of a PKCS #8 document)" }]
//! }
//! ```
//!
//! and so on for each section; all of them are needed, and nothing else is allowed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyRing, KeyRingError, Keyed, Live, Origin, SecretKey, SigningAlgorithm, SigningKey};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    origin: Origin,
    field_encryption: Vec<Entry>,
    blind_index: Vec<Entry>,
    refresh_tokens: Vec<Entry>,
    device_tokens: Vec<Entry>,
    codes: Vec<Entry>,
    password_pepper: Vec<Entry>,
    signing: Vec<SigningEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    key: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningEntry {
    id: String,
    #[serde(default)]
    algorithm: SigningAlgorithm,
    key: Zeroizing<String>,
}

pub(super) fn parse(text: &str) -> Result<KeyRing, KeyRingError> {
    let document: Document =
        serde_json::from_str(text).map_err(|error| KeyRingError::Malformed {
            line: error.line(),
            column: error.column(),
        })?;
    if document.version != VERSION {
        return Err(KeyRingError::UnknownVersion(document.version));
    }
    let mut reader = SectionReader::default();
    Ok(KeyRing {
        origin: document.origin,
        field_encryption: reader.read("field_encryption", document.field_encryption)?,
        blind_index: reader.read("blind_index", document.blind_index)?,
        refresh_tokens: reader.read("refresh_tokens", document.refresh_tokens)?,
        device_tokens: reader.read("device_tokens", document.device_tokens)?,
        codes: reader.read("codes", document.codes)?,
        password_pepper: reader.read("password_pepper", document.password_pepper)?,
        signing: read_signing("signing", document.signing)?,
    })
}

#[expect(
    clippy::expect_used,
    reason = "a document of strings and one number always becomes JSON"
)]
pub(super) fn write(ring: &KeyRing) -> SecretString {
    let document = Document {
        version: VERSION,
        origin: ring.origin,
        field_encryption: entries(&ring.field_encryption),
        blind_index: entries(&ring.blind_index),
        refresh_tokens: entries(&ring.refresh_tokens),
        device_tokens: entries(&ring.device_tokens),
        codes: entries(&ring.codes),
        password_pepper: entries(&ring.password_pepper),
        signing: ring
            .signing
            .iter()
            .map(|key| SigningEntry {
                id: key.id().to_owned(),
                algorithm: key.algorithm(),
                key: STANDARD.encode(key.pkcs8()).into(),
            })
            .collect(),
    };
    serde_json::to_string_pretty(&document)
        .expect("a key ring becomes JSON")
        .into()
}

fn entries(keys: &Live<SecretKey>) -> Vec<Entry> {
    keys.iter()
        .map(|key| Entry {
            id: key.id().to_owned(),
            key: STANDARD.encode(key.bytes()).into(),
        })
        .collect()
}

/// Reads sections, and sees to it that no key is in two of them.
#[derive(Default)]
struct SectionReader {
    seen: Vec<Zeroizing<[u8; 32]>>,
}

impl SectionReader {
    fn read(
        &mut self,
        section: &'static str,
        entries: Vec<Entry>,
    ) -> Result<Live<SecretKey>, KeyRingError> {
        let keys = entries.into_iter().map(|entry| {
            let bytes = decode(section, &entry.id, &entry.key, "256 bits in base64")?;
            let Ok(bytes) = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new) else {
                return Err(unusable(section, &entry.id, "256 bits in base64"));
            };
            if self.seen.contains(&bytes) {
                let id = entry.id;
                return Err(KeyRingError::RepeatedKey { section, id });
            }
            self.seen.push(bytes.clone());
            Ok(SecretKey::new(entry.id, bytes))
        });
        Live::new(section, keys.collect::<Result<_, _>>()?)
    }
}

fn read_signing(
    section: &'static str,
    entries: Vec<SigningEntry>,
) -> Result<Live<SigningKey>, KeyRingError> {
    let keys = entries.into_iter().map(|entry| {
        let expected = entry.algorithm.expected_key();
        let pkcs8 = decode(section, &entry.id, &entry.key, expected)?;
        SigningKey::from_pkcs8(entry.id, entry.algorithm, pkcs8)
            .map_err(|id| unusable(section, &id, expected))
    });
    Live::new(section, keys.collect::<Result<_, _>>()?)
}

fn decode(
    section: &'static str,
    id: &str,
    base64: &str,
    expected: &'static str,
) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    // A dot would break the tokens that carry the id.
    if !(1..=32).contains(&id.len()) || !id.bytes().all(is_plain) {
        return Err(KeyRingError::MalformedId { section });
    }
    STANDARD
        .decode(base64)
        .map(Zeroizing::new)
        .map_err(|_| unusable(section, id, expected))
}

fn unusable(section: &'static str, id: &str, expected: &'static str) -> KeyRingError {
    KeyRingError::UnusableKey {
        section,
        id: id.to_owned(),
        expected,
    }
}
