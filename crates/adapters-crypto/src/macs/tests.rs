use common::Id;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::*;
use crate::test_support::{keys, ring, rotated, staged};

fn macs() -> TokenMacs {
    TokenMacs::new(keys(1))
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
    assert_eq!(refresh(&macs, 1, 7).to_text(), token.to_text());
    assert!(!TokenMacs::new(keys(2)).is_our_refresh_token(&token));
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
    let before = TokenMacs::new(keys(1));
    let after = TokenMacs::new(rotated(&newer, &older));
    let token = refresh(&before, 1, 0);
    assert!(after.is_our_refresh_token(&token));
    assert_ne!(after.current_refresh_key(), token.key_id);
    let successor = after.refresh_token(&token.key_id, id(1), 1).unwrap();
    let same = before.refresh_token(&token.key_id, id(1), 1).unwrap();
    assert_eq!(successor.expose_secret(), same.expose_secret());
    let gone = TokenMacs::new(keys(2));
    assert!(gone.refresh_token(&token.key_id, id(1), 1).is_none());
}

#[test]
fn a_device_token_counts_for_its_account_and_device_alone() {
    let (older, newer) = (ring(1), ring(2));
    let macs = TokenMacs::new(keys(1));
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
    assert!(!TokenMacs::new(keys(2)).is_our_device_token(&token, id(1)));
}

#[test]
fn a_code_is_of_one_sending_one_purpose_and_one_recipient() {
    let macs = macs();
    let code = |nonce: u8, purpose, subject: u8| {
        let code = macs.code(
            CodeNonce([nonce; 16]),
            CodeFormat::Digits,
            purpose,
            Subject([subject; 32]),
        );
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
fn a_long_code_is_of_its_sending_too_and_tells_nothing_of_the_digits() {
    let macs = macs();
    let code = |nonce: u8, format, subject: u8| {
        let (nonce, subject) = (CodeNonce([nonce; 16]), Subject([subject; 32]));
        macs.code(nonce, format, Purpose::SignIn, subject)
    };
    let long = code(1, CodeFormat::Long, 1);
    assert_eq!(long.format(), CodeFormat::Long);
    assert!(code(1, CodeFormat::Long, 1).matches(&long));
    for other in [(2, 1), (1, 2)] {
        assert!(!code(other.0, CodeFormat::Long, other.1).matches(&long));
    }
    // A long code is not merely another spelling of the same bytes.
    let digits = code(1, CodeFormat::Digits, 1);
    let bytes: [u8; 8] = derived(
        &macs.keys.load().macs.current_codes().codes,
        &[b"sign_in", &[1; 16], &[1; 32]],
    );
    assert!(OneTimeCode::from_bytes(bytes, CodeFormat::Digits).matches(&digits));
    assert!(!OneTimeCode::from_bytes(bytes, CodeFormat::Long).matches(&long));
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
fn a_code_on_its_way_outlives_a_change_of_keys() {
    let (older, newer) = (ring(1), ring(2));
    let subject = Subject([1; 32]);
    let before = TokenMacs::new(keys(1));
    let nonce = before.code_nonce([9; 16]);
    let code = before.code(nonce, CodeFormat::Digits, Purpose::SignIn, subject);
    let link = before.reset_link_token(nonce, subject);
    for keys in [staged(&newer, &older), rotated(&newer, &older)] {
        let macs = TokenMacs::new(keys);
        assert_eq!(
            macs.code(nonce, CodeFormat::Digits, Purpose::SignIn, subject)
                .expose(),
            code.expose()
        );
        assert_eq!(
            macs.reset_link_token(nonce, subject).expose(),
            link.expose()
        );
    }
    let after = TokenMacs::new(keys(2));
    assert_ne!(
        after.reset_link_token(nonce, subject).expose(),
        link.expose()
    );
    assert_ne!(after.code_nonce([9; 16]), nonce);
}

#[test]
fn a_nonce_keeps_twelve_of_its_random_bytes() {
    let macs = macs();
    let (one, other) = (macs.code_nonce([1; 16]), macs.code_nonce([2; 16]));
    assert_eq!(one.0[4..], [1; 12]);
    assert_eq!(one.0[..4], other.0[..4]);
}

#[test]
fn a_next_key_is_recognised_and_not_used() {
    let (older, newer) = (ring(1), ring(2));
    let (old, new) = (TokenMacs::new(keys(1)), TokenMacs::new(keys(2)));
    let staged = TokenMacs::new(staged(&newer, &older));
    assert_eq!(staged.current_refresh_key(), old.current_refresh_key());
    assert!(staged.is_our_refresh_token(&refresh(&new, 1, 0)));
    let device = new.device_token(id(5), id(1));
    let device = DeviceToken::parse(device.expose_secret()).unwrap();
    assert!(staged.is_our_device_token(&device, id(1)));
    assert_eq!(staged.fingerprint(b"x"), old.fingerprint(b"x"));
    assert!(staged.is_fingerprint(b"x", &new.fingerprint(b"x")));
    assert!(!staged.is_fingerprint(b"y", &new.fingerprint(b"x")));
    assert!(!new.is_fingerprint(b"x", &old.fingerprint(b"x")));
}

#[test]
fn codes_spread_over_all_million() {
    let macs = macs();
    let mut buckets = [0u32; 10];
    for number in 0u128..5_000 {
        let nonce = CodeNonce(number.to_be_bytes());
        let code = macs.code(nonce, CodeFormat::Digits, Purpose::SignIn, Subject([0; 32]));
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

#[test]
fn a_cursor_is_of_one_list_one_owner_and_one_place() {
    let macs = macs();
    let (owner, place) = (id(1), Uuid::from_u128(2));
    let mac = macs.cursor_mac("one", owner, place);
    assert!(macs.is_cursor_mac("one", owner, place, mac));
    assert!(!macs.is_cursor_mac("other", owner, place, mac));
    assert!(!macs.is_cursor_mac("one", id(3), place, mac));
    assert!(!macs.is_cursor_mac("one", owner, Uuid::from_u128(3), mac));
    for bit in 0..128 {
        let altered = u128::from_be_bytes(mac) ^ (1 << bit);
        assert!(!macs.is_cursor_mac("one", owner, place, altered.to_be_bytes()));
    }
    assert!(!TokenMacs::new(keys(2)).is_cursor_mac("one", owner, place, mac));
}

#[test]
fn a_cursor_outlives_a_change_of_keys_on_nodes_ahead_and_behind() {
    let (older, newer) = (ring(1), ring(2));
    let (owner, place) = (id(1), Uuid::from_u128(2));
    let ahead = TokenMacs::new(rotated(&newer, &older));
    let behind = TokenMacs::new(staged(&newer, &older));
    let of_before = TokenMacs::new(keys(1)).cursor_mac("one", owner, place);
    assert!(ahead.is_cursor_mac("one", owner, place, of_before));
    let of_ahead = ahead.cursor_mac("one", owner, place);
    assert!(behind.is_cursor_mac("one", owner, place, of_ahead));
}
