//! No secret and nothing personal shows itself by `Debug`, which is how it would get into a log.

use std::fmt::Debug;

use authentication_app::{
    accounts::Register,
    credentials::ChangePassword,
    ports::{Channel, DataKey, IdempotencyKey, Message, Subject, WrittenLetter},
    sessions::LogIn,
};
use authentication_domain::{
    challenges::{CodeNonce, OneTimeCode},
    credentials::PasswordHash,
    opaque_token::OpaqueToken,
    profiles::{DisplayName, Profile},
};
use common::access::Role;
use testkit::clock::START;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::bed::{email, password, request};

const NAME: &str = "Canary";
const ADDRESS: &str = "canary@example.com";
const PASSWORD: &str = "canary-Harbour-42-zeppelin";

#[track_caller]
fn assert_silent(value: &impl Debug, secrets: &[&str]) {
    let shown = format!("{value:?} {value:#?}");
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

fn profile() -> Profile {
    Profile {
        display_name: Some(DisplayName::parse(NAME).unwrap()),
        ..Profile::default()
    }
}

#[test]
fn a_request_shows_its_id_and_not_where_it_is_from() {
    let request = request();
    assert_silent(&request, &["192.0.2.7", "a test"]);
    assert_silent(&request.origin, &["192.0.2.7", "a test"]);
    assert!(format!("{request:?}").contains(&request.request_id.to_string()));
}

#[test]
fn commands_show_neither_who_nor_their_password() {
    let secrets = [NAME, ADDRESS, "canary", PASSWORD];
    let identifier = || email(ADDRESS);
    let log_in = LogIn {
        window: None,
        identifier: identifier(),
        password: password(PASSWORD),
    };
    assert_silent(&log_in, &secrets);
    let register = Register {
        identifier: identifier(),
        password: password(PASSWORD),
        role: Role::Client,
        profile: profile(),
    };
    assert_silent(&register, &secrets);
    let change = ChangePassword {
        current: password(PASSWORD),
        new: password(PASSWORD),
    };
    assert_silent(&change, &secrets);
}

#[test]
fn a_message_shows_its_id_and_channel() {
    let message = Message {
        id: Uuid::from_u128(7),
        to: email(ADDRESS),
        channel: Channel::Email,
        letter: WrittenLetter {
            subject: NAME.to_owned(),
            text: "the code is 123456".to_owned(),
            html: None,
            language: "en".to_owned(),
        },
        code: Some("123456".to_owned()),
        at: START,
    };
    assert_silent(&message, &["canary", NAME, "123456"]);
    assert!(format!("{message:?}").contains("00000000-0000-0000-0000-000000000007"));
}

#[test]
fn keys_codes_hashes_and_names_show_nothing_of_themselves() {
    let key = DataKey(Zeroizing::new([0xab; 32]));
    assert_silent(&key, &["171", "ab"]);
    assert_silent(&OneTimeCode::parse("424242").unwrap(), &["424242"]);
    let token = OpaqueToken::from_random([0x42; 16]);
    assert_silent(&token, &[token.expose()]);
    let hash = PasswordHash::from_encoded("$argon2id$canary".to_owned());
    assert_silent(&hash, &["canary"]);
    assert_silent(&profile(), &[NAME]);
    assert_silent(&DisplayName::parse(NAME).unwrap(), &[NAME]);
    for identifier in [ADDRESS, "+2348012345678"] {
        assert_silent(&email(identifier), &[ADDRESS, "canary", "8012345678"]);
    }
}

/// Enough to tell two apart in a log, too little to look anybody up.
#[test]
fn a_digest_shows_its_first_bytes() {
    let subject = Subject([0xcd; 32]);
    assert_eq!(format!("{subject:?}"), "Subject(cdcd…)");
    // What is no secret says what it is.
    assert!(format!("{:?}", CodeNonce([1; 16])).contains("CodeNonce"));
    assert!(format!("{:?}", IdempotencyKey([1; 32])).contains("IdempotencyKey"));
}
