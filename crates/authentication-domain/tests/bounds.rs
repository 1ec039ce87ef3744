//! Whatever is parsed has a bound that is checked before any work is done (`docs/threat-model.md`, "Work that
//! grows with its input").

use authentication_domain::{
    accounts::{EmailAddress, Identifier, PhoneNumber},
    challenges::OneTimeCode,
    credentials::PlainPassword,
    opaque_token::OpaqueToken,
    profiles::{DisplayName, Profile},
    sessions::{DeviceToken, RefreshToken},
    typed::MOST_TYPED,
};
use proptest::prelude::*;
use secrecy::SecretString;

/// A parser by what it is for, and the most bytes that it reads.
struct Bounded {
    name: &'static str,
    most_bytes: usize,
    takes: fn(&str) -> bool,
    /// What it takes begins so, and goes on with a digit as often as one likes.
    begins: &'static str,
}

const PARSERS: [Bounded; 9] = [
    Bounded {
        name: "password",
        most_bytes: 3_072,
        takes: |text| PlainPassword::from_typed(&SecretString::from(text.to_owned())).is_ok(),
        begins: "",
    },
    Bounded {
        name: "email address",
        most_bytes: 1_016,
        takes: |text| EmailAddress::parse(text).is_ok(),
        begins: "ada@example.",
    },
    Bounded {
        name: "phone number",
        most_bytes: MOST_TYPED,
        takes: |text| PhoneNumber::parse(text).is_ok(),
        begins: "+234",
    },
    Bounded {
        name: "identifier",
        most_bytes: 1_016,
        takes: |text| Identifier::parse(text).is_ok(),
        begins: "ada@example.",
    },
    Bounded {
        name: "name",
        most_bytes: 1_280,
        takes: |text| DisplayName::parse(text).is_ok(),
        begins: "Ada ",
    },
    Bounded {
        name: "language",
        most_bytes: 35,
        takes: |text| Profile::parse_language(text).is_ok(),
        begins: "en-",
    },
    Bounded {
        name: "code",
        most_bytes: MOST_TYPED,
        takes: |text| OneTimeCode::parse(text).is_some(),
        begins: "",
    },
    Bounded {
        name: "refresh token",
        most_bytes: 256,
        takes: |text| RefreshToken::parse(text).is_some(),
        begins: "fa_rt_v1",
    },
    Bounded {
        name: "device token",
        most_bytes: 128,
        takes: |text| DeviceToken::parse(text).is_some(),
        begins: "fa_dt_v1",
    },
];

#[test]
fn a_megabyte_of_anything_is_refused_by_every_parser() {
    for parser in PARSERS {
        for filling in ["7", " ", "\u{fdfa}", "e\u{301}", "\u{130}", "@", "-7"] {
            let text = format!("{}{}", parser.begins, filling.repeat(1 << 20));
            assert!(!(parser.takes)(&text), "{}: {filling:?}", parser.name);
        }
    }
    assert!(OpaqueToken::from_client("7".repeat(129)).is_none());
}

proptest! {
    #[test]
    fn what_is_longer_than_its_bound_is_refused(more in 1_usize..4_000, any in r"[^ \t\r\n]\PC{0,40}[^ \t\r\n]") {
        for parser in PARSERS {
            let digits = "7".repeat(parser.most_bytes.saturating_sub(parser.begins.len()) + more);
            prop_assert!(!(parser.takes)(&format!("{}{digits}", parser.begins)), "{}", parser.name);
            let times = parser.most_bytes / any.len() + 1;
            let filled = any.repeat(times);
            prop_assert!(filled.len() > parser.most_bytes);
            prop_assert!(!(parser.takes)(&filled), "{}: {any:?}", parser.name);
        }
    }
}
