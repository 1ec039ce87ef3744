//! MACs: refresh tokens, device tokens, codes, links, fingerprints. All are HMAC-SHA-256.

use std::sync::Arc;

use authentication_app::ports::{Macs, Subject};
use authentication_domain::{
    accounts::AccountId,
    challenges::{CodeFormat, CodeNonce, OneTimeCode, Purpose},
    opaque_token::OpaqueToken,
    sessions::{DeviceId, DeviceToken, RefreshToken, SessionId},
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    encoding::length_prefixed,
    keys::{KeyRing, Keyed as _, KeysInUse, SecretKey},
};

/// The number of bytes of a 16-byte nonce that identify the key of its code.
const STAMP_BYTES: usize = 4;

/// Creates and verifies tokens and codes that the service issues without storing them.
pub struct TokenMacs {
    keys: Arc<KeysInUse>,
}

impl TokenMacs {
    /// Creates MACs with the keys in use.
    pub const fn new(keys: Arc<KeysInUse>) -> Self {
        Self { keys }
    }
}

/// The three MAC sections of a key ring, prepared for use. The current key of each comes first.
pub(crate) struct MacKeys {
    refresh_tokens: Vec<(String, hmac::Key)>,
    device_tokens: Vec<hmac::Key>,
    codes: Vec<CodeKeys>,
}

struct CodeKeys {
    stamp: [u8; STAMP_BYTES],
    codes: hmac::Key,
    reset_links: hmac::Key,
    notice_links: hmac::Key,
    fingerprints: hmac::Key,
    cursors: hmac::Key,
}

impl MacKeys {
    pub(crate) fn of(ring: &KeyRing) -> Self {
        let refresh = ring.refresh_tokens.iter().map(|key| {
            let id = key.id().to_owned();
            (id, key.derive_mac_key("refresh token"))
        });
        let device = ring.device_tokens.iter();
        Self {
            refresh_tokens: refresh.collect(),
            device_tokens: device
                .map(|key| key.derive_mac_key("device token"))
                .collect(),
            codes: ring.codes.iter().map(CodeKeys::of).collect(),
        }
    }

    fn refresh_key(&self, id: &str) -> Option<&hmac::Key> {
        let mut live = self.refresh_tokens.iter();
        live.find(|(key_id, _)| key_id == id).map(|(_, key)| key)
    }

    /// The key for new codes.
    #[expect(clippy::expect_used, reason = "every section has a current key")]
    fn current_codes(&self) -> &CodeKeys {
        self.codes.first().expect("a ring has a key for codes")
    }

    /// The keys for the code of a sending: those that its nonce names, or the current ones for a nonce from
    /// before nonces named a key.
    fn codes_of(&self, nonce: CodeNonce) -> &CodeKeys {
        let named = |keys: &&CodeKeys| nonce.0.starts_with(&keys.stamp);
        self.codes
            .iter()
            .find(named)
            .unwrap_or_else(|| self.current_codes())
    }
}

impl CodeKeys {
    fn of(key: &SecretKey) -> Self {
        let [a, b, c, d, ..] = *key.derive("nonce stamp");
        Self {
            stamp: [a, b, c, d],
            codes: key.derive_mac_key("one-time code"),
            reset_links: key.derive_mac_key("reset link"),
            notice_links: key.derive_mac_key("notice link"),
            fingerprints: key.derive_mac_key("request fingerprint"),
            cursors: key.derive_mac_key("list cursor"),
        }
    }
}

impl Macs for TokenMacs {
    #[expect(clippy::expect_used, reason = "every section has a current key")]
    fn current_refresh_key(&self) -> String {
        let keys = self.keys.load();
        let (id, _) = keys
            .macs
            .refresh_tokens
            .first()
            .expect("a ring has a key for refresh tokens");
        id.clone()
    }

    fn refresh_token(
        &self,
        key_id: &str,
        session: SessionId,
        generation: u32,
    ) -> Option<SecretString> {
        let keys = self.keys.load();
        let key = keys.macs.refresh_key(key_id)?;
        let signed = RefreshToken::signed_part(key_id, session, generation);
        let mac = mac_text(key, signed.as_bytes());
        Some(format!("{signed}.{mac}").into())
    }

    fn is_our_refresh_token(&self, token: &RefreshToken) -> bool {
        let signed = RefreshToken::signed_part(&token.key_id, token.session, token.generation);
        let keys = self.keys.load();
        keys.macs
            .refresh_key(&token.key_id)
            .is_some_and(|key| is_mac(key, signed.as_bytes(), &token.mac))
    }

    #[expect(clippy::expect_used, reason = "every section has a current key")]
    fn device_token(&self, device: DeviceId, account: AccountId) -> SecretString {
        let keys = self.keys.load();
        let key = keys
            .macs
            .device_tokens
            .first()
            .expect("a ring has a key for device tokens");
        let mac = mac_text(key, &device_text(device, account));
        DeviceToken { device, mac }.to_text().into()
    }

    fn is_our_device_token(&self, token: &DeviceToken, account: AccountId) -> bool {
        // Device tokens are valid for years and do not name a key, so every live key is tried.
        let text = device_text(token.device, account);
        let keys = self.keys.load();
        let mut live = keys.macs.device_tokens.iter();
        live.any(|key| is_mac(key, &text, &token.mac))
    }

    fn code_nonce(&self, random: [u8; 16]) -> CodeNonce {
        let mut nonce = random;
        let stamp = self.keys.load().macs.current_codes().stamp;
        for (byte, of_stamp) in nonce.iter_mut().zip(stamp) {
            *byte = of_stamp;
        }
        CodeNonce(nonce)
    }

    fn code(
        &self,
        nonce: CodeNonce,
        format: CodeFormat,
        purpose: Purpose,
        subject: Subject,
    ) -> OneTimeCode {
        let purpose = purpose.as_str().as_bytes();
        let keys = self.keys.load();
        let key = &keys.macs.codes_of(nonce).codes;
        let bytes = match format {
            CodeFormat::Digits => derived(key, &[purpose, &nonce.0, &subject.0]),
            CodeFormat::Long => {
                let format = format.as_str().as_bytes();
                derived(key, &[purpose, &nonce.0, &subject.0, format])
            }
        };
        OneTimeCode::from_bytes(bytes, format)
    }

    fn reset_link_token(&self, nonce: CodeNonce, subject: Subject) -> OpaqueToken {
        let keys = self.keys.load();
        let key = &keys.macs.codes_of(nonce).reset_links;
        OpaqueToken::from_random(derived(key, &[&nonce.0, &subject.0]))
    }

    fn notice_link_token(&self, nonce: CodeNonce, account: AccountId) -> OpaqueToken {
        let keys = self.keys.load();
        let key = &keys.macs.codes_of(nonce).notice_links;
        OpaqueToken::from_random(derived(key, &[&nonce.0, account.as_uuid().as_bytes()]))
    }

    fn cursor_mac(&self, list: &str, owner: AccountId, place: Uuid) -> [u8; 16] {
        let keys = self.keys.load();
        cursor_mac(&keys.macs.current_codes().cursors, list, owner, place)
    }

    fn is_cursor_mac(&self, list: &str, owner: AccountId, place: Uuid, mac: [u8; 16]) -> bool {
        let keys = self.keys.load();
        let mut live = keys.macs.codes.iter();
        live.any(|key| {
            let expected = cursor_mac(&key.cursors, list, owner, place);
            common::constant_time::is_equal(&expected, &mac)
        })
    }

    fn fingerprint(&self, bytes: &[u8]) -> [u8; 32] {
        let keys = self.keys.load();
        derived(&keys.macs.current_codes().fingerprints, &[bytes])
    }

    fn is_fingerprint(&self, bytes: &[u8], fingerprint: &[u8; 32]) -> bool {
        let message = length_prefixed(&[bytes]);
        let keys = self.keys.load();
        let mut live = keys.macs.codes.iter();
        live.any(|key| hmac::verify(&key.fingerprints, &message, fingerprint).is_ok())
    }
}

fn device_text(device: DeviceId, account: AccountId) -> Vec<u8> {
    let (device, account) = (device.as_uuid(), account.as_uuid());
    length_prefixed(&[device.as_bytes(), account.as_bytes()])
}

fn cursor_mac(key: &hmac::Key, list: &str, owner: AccountId, place: Uuid) -> [u8; 16] {
    let owner = owner.as_uuid();
    derived(key, &[list.as_bytes(), owner.as_bytes(), place.as_bytes()])
}

fn mac_text(key: &hmac::Key, message: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(key, message))
}

/// Compares in constant time. A MAC has only one valid spelling: padding and stray bits are refused.
fn is_mac(key: &hmac::Key, message: &[u8], mac: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(mac)
        .is_ok_and(|mac| hmac::verify(key, message, &mac).is_ok())
}

/// The first `N` bytes of a MAC over the parts.
fn derived<const N: usize>(key: &hmac::Key, parts: &[&[u8]]) -> [u8; N] {
    const { assert!(N <= 32, "HMAC-SHA-256 gives 32 bytes") };
    let mut bytes = [0; N];
    for (byte, from) in bytes
        .iter_mut()
        .zip(hmac::sign(key, &length_prefixed(parts)).as_ref())
    {
        *byte = *from;
    }
    bytes
}

#[cfg(test)]
mod tests;
