//! Macs: refresh tokens, device tokens, codes, links, fingerprints. All HMAC-SHA-256.

use std::sync::Arc;

use authentication_app::ports::{Macs, Subject};
use authentication_domain::{
    accounts::AccountId,
    challenges::{CodeNonce, OneTimeCode, Purpose},
    opaque_token::OpaqueToken,
    sessions::{DeviceId, DeviceToken, RefreshToken, SessionId},
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;

use crate::{
    encoding::length_prefixed,
    keys::{KeyRing, Keyed as _, SecretKey},
};

/// Makes and recognises what the service hands out without storing it.
pub struct TokenMacs {
    ring: Arc<KeyRing>,
    codes: hmac::Key,
    reset_links: hmac::Key,
    fingerprints: hmac::Key,
}

impl TokenMacs {
    /// Macs under the keys of a ring.
    ///
    /// Codes and links follow from the current key of `codes` alone: they live for minutes, so what is
    /// on its way when the key changes is simply asked for again.
    pub fn new(ring: Arc<KeyRing>) -> Self {
        let key = ring.codes.current();
        Self {
            codes: key.derive_mac_key("one-time code"),
            reset_links: key.derive_mac_key("reset link"),
            fingerprints: key.derive_mac_key("request fingerprint"),
            ring,
        }
    }
}

impl Macs for TokenMacs {
    fn current_refresh_key(&self) -> String {
        self.ring.refresh_tokens.current().id().to_owned()
    }

    fn refresh_token(
        &self,
        key_id: &str,
        session: SessionId,
        generation: u32,
    ) -> Option<SecretString> {
        let key = refresh_key(self.ring.refresh_tokens.find(key_id)?);
        let signed = RefreshToken::signed_part(key_id, session, generation);
        let mac = mac_text(&key, signed.as_bytes());
        Some(format!("{signed}.{mac}").into())
    }

    fn is_our_refresh_token(&self, token: &RefreshToken) -> bool {
        let signed = RefreshToken::signed_part(&token.key_id, token.session, token.generation);
        self.ring
            .refresh_tokens
            .find(&token.key_id)
            .is_some_and(|key| is_mac(&refresh_key(key), signed.as_bytes(), &token.mac))
    }

    fn device_token(&self, device: DeviceId, account: AccountId) -> SecretString {
        let key = device_key(self.ring.device_tokens.current());
        let mac = mac_text(&key, &device_text(device, account));
        DeviceToken { device, mac }.to_text().into()
    }

    fn is_our_device_token(&self, token: &DeviceToken, account: AccountId) -> bool {
        // Device tokens live for years and name no key: every live key is tried.
        let text = device_text(token.device, account);
        let mut live = self.ring.device_tokens.iter();
        live.any(|key| is_mac(&device_key(key), &text, &token.mac))
    }

    fn code(&self, nonce: CodeNonce, purpose: Purpose, subject: Subject) -> OneTimeCode {
        let parts: [&[u8]; 3] = [purpose.as_str().as_bytes(), &nonce.0, &subject.0];
        OneTimeCode::from_bytes(derived(&self.codes, &parts))
    }

    fn reset_link_token(&self, nonce: CodeNonce, subject: Subject) -> OpaqueToken {
        OpaqueToken::from_random(derived(&self.reset_links, &[&nonce.0, &subject.0]))
    }

    fn fingerprint(&self, bytes: &[u8]) -> [u8; 32] {
        derived(&self.fingerprints, &[bytes])
    }
}

fn refresh_key(key: &SecretKey) -> hmac::Key {
    key.derive_mac_key("refresh token")
}

fn device_key(key: &SecretKey) -> hmac::Key {
    key.derive_mac_key("device token")
}

fn device_text(device: DeviceId, account: AccountId) -> Vec<u8> {
    let (device, account) = (device.as_uuid(), account.as_uuid());
    length_prefixed(&[device.as_bytes(), account.as_bytes()])
}

fn mac_text(key: &hmac::Key, message: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(key, message))
}

/// Compares in constant time. A mac has one spelling: padding and stray bits are refused.
fn is_mac(key: &hmac::Key, message: &[u8], mac: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(mac)
        .is_ok_and(|mac| hmac::verify(key, message, &mac).is_ok())
}

/// The first `N` bytes of a mac over the parts.
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
mod tests {
    use common::Id;
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;
    use uuid::Uuid;

    use super::*;
    use crate::test_support::{ring, rotated};

    fn macs() -> TokenMacs {
        TokenMacs::new(ring(1))
    }

    fn id<K>(number: u128) -> Id<K> {
        Id::from_uuid(Uuid::from_u128(number))
    }

    fn refresh(macs: &TokenMacs, session: u128, generation: u32) -> RefreshToken {
        let text = macs
            .refresh_token(&macs.current_refresh_key(), id(session), generation)
            .unwrap();
        RefreshToken::parse(text.expose_secret()).unwrap()
    }

    #[test]
    fn a_refresh_token_is_ours_and_always_the_same_text() {
        let macs = macs();
        let token = refresh(&macs, 1, 7);
        assert!(macs.is_our_refresh_token(&token));
        assert!(refresh(&macs, 1, 7) == token);
        assert!(!TokenMacs::new(ring(2)).is_our_refresh_token(&token));
    }

    #[test]
    fn a_changed_refresh_token_is_not_ours() {
        let macs = macs();
        let token = refresh(&macs, 1, 7);
        let padded = format!("{}=", token.mac);
        let cut = token.mac[..token.mac.len() - 1].to_owned();
        for changed in [
            RefreshToken {
                generation: 8,
                ..token.clone()
            },
            RefreshToken {
                session: id(2),
                ..token.clone()
            },
            RefreshToken {
                key_id: "other".to_owned(),
                ..token.clone()
            },
            RefreshToken {
                mac: padded,
                ..token.clone()
            },
            RefreshToken {
                mac: cut,
                ..token.clone()
            },
            RefreshToken {
                mac: String::new(),
                ..token.clone()
            },
        ] {
            assert!(
                !macs.is_our_refresh_token(&changed),
                "{}",
                changed.to_text()
            );
        }
    }

    #[test]
    fn a_session_keeps_its_key_while_keys_rotate() {
        let (older, newer) = (ring(1), ring(2));
        let before = TokenMacs::new(Arc::clone(&older));
        let after = TokenMacs::new(rotated(&newer, &older));
        let token = refresh(&before, 1, 0);
        assert!(after.is_our_refresh_token(&token));
        assert_ne!(after.current_refresh_key(), token.key_id);
        let successor = after.refresh_token(&token.key_id, id(1), 1).unwrap();
        let same = before.refresh_token(&token.key_id, id(1), 1).unwrap();
        assert_eq!(successor.expose_secret(), same.expose_secret());
        let gone = TokenMacs::new(newer);
        assert!(gone.refresh_token(&token.key_id, id(1), 1).is_none());
    }

    #[test]
    fn a_device_token_counts_for_its_account_and_device_alone() {
        let (older, newer) = (ring(1), ring(2));
        let macs = TokenMacs::new(Arc::clone(&older));
        let text = macs.device_token(id(5), id(1));
        let token = DeviceToken::parse(text.expose_secret()).unwrap();
        assert!(macs.is_our_device_token(&token, id(1)));
        assert!(!macs.is_our_device_token(&token, id(2)));
        let other = DeviceToken {
            device: id(6),
            mac: token.mac.clone(),
        };
        assert!(!macs.is_our_device_token(&other, id(1)));
        assert!(TokenMacs::new(rotated(&newer, &older)).is_our_device_token(&token, id(1)));
        assert!(!TokenMacs::new(newer).is_our_device_token(&token, id(1)));
    }

    #[test]
    fn a_code_is_of_one_sending_one_purpose_and_one_recipient() {
        let macs = macs();
        let code = |nonce: u8, purpose, subject: u8| {
            let code = macs.code(CodeNonce([nonce; 16]), purpose, Subject([subject; 32]));
            code.expose().to_owned()
        };
        let one = code(1, Purpose::SignIn, 1);
        assert_eq!(code(1, Purpose::SignIn, 1), one);
        for other in [
            code(2, Purpose::SignIn, 1),
            code(1, Purpose::PasswordReset, 1),
            code(1, Purpose::Registration, 1),
            code(1, Purpose::SignIn, 2),
        ] {
            assert_ne!(other, one);
        }
    }

    #[test]
    fn a_reset_link_is_of_one_sending_and_tells_nothing_of_the_code() {
        let macs = macs();
        let link = |nonce: u8, subject: u8| {
            let token = macs.reset_link_token(CodeNonce([nonce; 16]), Subject([subject; 32]));
            token.expose().to_owned()
        };
        assert_eq!(link(1, 1), link(1, 1));
        assert_ne!(link(1, 1), link(2, 1));
        assert_ne!(link(1, 1), link(1, 2));
        assert_eq!(link(1, 1).len(), 32);
    }

    #[test]
    fn codes_spread_over_all_million() {
        let macs = macs();
        let mut buckets = [0u32; 10];
        for number in 0u128..5_000 {
            let nonce = CodeNonce(number.to_be_bytes());
            let code = macs.code(nonce, Purpose::SignIn, Subject([0; 32]));
            buckets[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
        }
        assert!(
            buckets.iter().all(|count| (400..=600).contains(count)),
            "{buckets:?}"
        );
    }

    proptest! {
        #[test]
        fn no_mac_can_be_guessed_or_bent(at: prop::sample::Index, with in "[A-Za-z0-9_-]") {
            let macs = macs();
            let token = refresh(&macs, 1, 7);
            let mut mac = token.mac.clone();
            let at = at.index(mac.len());
            mac.replace_range(at..=at, &with);
            prop_assert_eq!(
                macs.is_our_refresh_token(&RefreshToken { mac: mac.clone(), ..token.clone() }),
                mac == token.mac
            );
        }

        #[test]
        fn requests_with_one_fingerprint_are_the_same(one: Vec<u8>, other: Vec<u8>) {
            let macs = macs();
            prop_assert_eq!(macs.fingerprint(&one) == macs.fingerprint(&other), one == other);
        }
    }
}
