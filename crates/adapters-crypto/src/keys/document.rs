//! The JSON form of a key ring.
//!
//! ```json
//! {
//!   "version": 2,
//!   "origin": "provided",
//!   "field_encryption": [
//!     { "id": "77a1e0c3", "state": "current", "made_at": "2026-11-24T09:00:00Z",
//!       "since": "2026-11-25T09:00:00Z", "key": "(base64 of 256 bits)" },
//!     { "id": "4f1c09aa", "state": "retired", "since": "2026-12-01T09:00:00Z" }
//!   ],
//!   "signing": [{ "id": "9d2e7710", "state": "current", "algorithm": "EdDSA", "key": "(base64 of a PKCS #8 document)" }]
//! }
//! ```
//!
//! and the same for each section. All sections are required, and no other members are allowed. Times are RFC
//! 3339 and optional. A retired key has no value.
//!
//! Version 1 has only ids and keys: the first key of a section is current, the others are previous. It is
//! still read but no longer written.

use authentication_app::ports::{KeySection, KeyState};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    KeyRing, KeyRingError, Keyed, Live, Origin, SecretKey, SigningAlgorithm, SigningKey,
    live::{Held, Retired},
};

const VERSION: u32 = 2;

/// The version, which determines how the rest is parsed.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<E> {
    version: u32,
    origin: Origin,
    field_encryption: Vec<E>,
    blind_index: Vec<E>,
    refresh_tokens: Vec<E>,
    device_tokens: Vec<E>,
    codes: Vec<E>,
    password_pepper: Vec<E>,
    signing: Vec<E>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[serde(with = "state_name")]
    state: KeyState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(with = "time::serde::rfc3339::option")]
    made_at: Option<OffsetDateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<SigningAlgorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstEntry {
    id: String,
    #[serde(default)]
    algorithm: Option<SigningAlgorithm>,
    key: Zeroizing<String>,
}

impl Document<FirstEntry> {
    fn into_second(self) -> Document<Entry> {
        let staged = |entries: Vec<FirstEntry>| -> Vec<Entry> {
            let state_of = |at| match at {
                0 => KeyState::Current,
                _ => KeyState::Previous,
            };
            let numbered = entries.into_iter().enumerate();
            numbered
                .map(|(at, entry)| Entry {
                    id: entry.id,
                    state: state_of(at),
                    made_at: None,
                    since: None,
                    algorithm: entry.algorithm,
                    key: Some(entry.key),
                })
                .collect()
        };
        Document {
            version: VERSION,
            origin: self.origin,
            field_encryption: staged(self.field_encryption),
            blind_index: staged(self.blind_index),
            refresh_tokens: staged(self.refresh_tokens),
            device_tokens: staged(self.device_tokens),
            codes: staged(self.codes),
            password_pepper: staged(self.password_pepper),
            signing: staged(self.signing),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<KeyRing, KeyRingError> {
    let head: Head = read_json(text)?;
    let document = match head.version {
        1 => read_json::<Document<FirstEntry>>(text)?.into_second(),
        VERSION => read_json(text)?,
        other => return Err(KeyRingError::UnknownVersion(other)),
    };
    let mut reader = SectionReader::default();
    let name = KeySection::as_str;
    Ok(KeyRing {
        origin: document.origin,
        field_encryption: reader
            .secrets(name(KeySection::FieldEncryption), document.field_encryption)?,
        blind_index: reader.secrets(name(KeySection::BlindIndex), document.blind_index)?,
        refresh_tokens: reader.secrets(name(KeySection::RefreshTokens), document.refresh_tokens)?,
        device_tokens: reader.secrets(name(KeySection::DeviceTokens), document.device_tokens)?,
        codes: reader.secrets(name(KeySection::Codes), document.codes)?,
        password_pepper: reader
            .secrets(name(KeySection::PasswordPepper), document.password_pepper)?,
        signing: reader.read(
            name(KeySection::Signing),
            document.signing,
            |_, section, entry| pair(section, entry),
        )?,
    })
}

fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, KeyRingError> {
    serde_json::from_str(text).map_err(|error| KeyRingError::Malformed {
        line: error.line(),
        column: error.column(),
    })
}

#[expect(
    clippy::expect_used,
    reason = "a document of strings, times and one number always becomes JSON"
)]
pub(super) fn write(ring: &KeyRing) -> SecretString {
    let secrets = |live: &Live<SecretKey>| entries(live, SecretKey::bytes, |_| None);
    let document = Document {
        version: VERSION,
        origin: ring.origin,
        field_encryption: secrets(&ring.field_encryption),
        blind_index: secrets(&ring.blind_index),
        refresh_tokens: secrets(&ring.refresh_tokens),
        device_tokens: secrets(&ring.device_tokens),
        codes: secrets(&ring.codes),
        password_pepper: secrets(&ring.password_pepper),
        signing: entries(&ring.signing, SigningKey::pkcs8, |key| {
            Some(key.algorithm())
        }),
    };
    serde_json::to_string_pretty(&document)
        .expect("a key ring becomes JSON")
        .into()
}

fn entries<K: Keyed, B: AsRef<[u8]> + ?Sized>(
    live: &Live<K>,
    bytes: impl Fn(&K) -> &B,
    algorithm: impl Fn(&K) -> Option<SigningAlgorithm>,
) -> Vec<Entry> {
    let known = live.staged().map(|(state, held)| Entry {
        id: held.key.id().to_owned(),
        state,
        made_at: held.made_at,
        since: held.since,
        algorithm: algorithm(&held.key),
        key: Some(STANDARD.encode(bytes(&held.key)).into()),
    });
    let gone = live.retired.iter().map(|key| Entry {
        id: key.id.clone(),
        state: KeyState::Retired,
        made_at: None,
        since: key.since,
        algorithm: None,
        key: None,
    });
    known.chain(gone).collect()
}

/// Reads the sections and makes sure that no key occurs in two of them.
#[derive(Default)]
struct SectionReader {
    seen: Vec<Zeroizing<[u8; 32]>>,
}

impl SectionReader {
    fn secrets(
        &mut self,
        section: &'static str,
        entries: Vec<Entry>,
    ) -> Result<Live<SecretKey>, KeyRingError> {
        self.read(section, entries, Self::secret)
    }

    fn read<K: Keyed>(
        &mut self,
        section: &'static str,
        entries: Vec<Entry>,
        make: impl Fn(&mut Self, &'static str, Entry) -> Result<K, KeyRingError>,
    ) -> Result<Live<K>, KeyRingError> {
        let (mut keys, mut retired) = (Vec::new(), Vec::new());
        for entry in entries {
            check_id(section, &entry.id)?;
            let is_gone = entry.state == KeyState::Retired;
            if entry.key.is_some() == is_gone {
                let (id, state) = (entry.id, entry.state.as_str());
                return Err(KeyRingError::KeyInWrongStage { section, id, state });
            }
            let (state, made_at, since) = (entry.state, entry.made_at, entry.since);
            if is_gone {
                let id = entry.id;
                retired.push(Retired { id, since });
                continue;
            }
            let key = make(self, section, entry)?;
            let held = Held {
                key,
                made_at,
                since,
            };
            keys.push((state, held));
        }
        Live::new(section, keys, retired)
    }

    fn secret(&mut self, section: &'static str, entry: Entry) -> Result<SecretKey, KeyRingError> {
        const EXPECTED: &str = "256 bits in base64";
        if entry.algorithm.is_some() {
            return Err(unusable(section, &entry.id, "a key without an algorithm"));
        }
        let bytes = decode(section, &entry, EXPECTED)?;
        let Ok(bytes) = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new) else {
            return Err(unusable(section, &entry.id, EXPECTED));
        };
        if self.seen.contains(&bytes) {
            let id = entry.id;
            return Err(KeyRingError::RepeatedKey { section, id });
        }
        self.seen.push(bytes.clone());
        Ok(SecretKey::new(entry.id, bytes))
    }
}

fn pair(section: &'static str, entry: Entry) -> Result<SigningKey, KeyRingError> {
    let algorithm = entry.algorithm.unwrap_or_default();
    let expected = algorithm.expected_key();
    let pkcs8 = decode(section, &entry, expected)?;
    SigningKey::from_pkcs8(entry.id, algorithm, pkcs8)
        .map_err(|id| unusable(section, &id, expected))
}

fn check_id(section: &'static str, id: &str) -> Result<(), KeyRingError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    // The id must not contain a dot, which separates the parts of tokens that carry it.
    if (1..=32).contains(&id.len()) && id.bytes().all(is_plain) {
        Ok(())
    } else {
        Err(KeyRingError::MalformedId { section })
    }
}

fn decode(
    section: &'static str,
    entry: &Entry,
    expected: &'static str,
) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
    let base64 = entry.key.as_ref().map_or("", |key| key.as_str());
    STANDARD
        .decode(base64)
        .map(Zeroizing::new)
        .map_err(|_| unusable(section, &entry.id, expected))
}

fn unusable(section: &'static str, id: &str, expected: &'static str) -> KeyRingError {
    KeyRingError::UnusableKey {
        section,
        id: id.to_owned(),
        expected,
    }
}

mod state_name {
    use authentication_app::ports::KeyState;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde's `with` asks for"
    )]
    pub(super) fn serialize<S: Serializer>(state: &KeyState, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(state.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<KeyState, D::Error> {
        let name = String::deserialize(from)?;
        let named = KeyState::ALL
            .into_iter()
            .find(|state| state.as_str() == name);
        named.ok_or_else(|| D::Error::custom("no such state"))
    }
}
