use authentication_app::ports::HashRefused::{self, Malformed, TooCostly, UnknownScheme};
use proptest::prelude::*;

use super::*;

const TAIL_32: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const TAIL_20: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const TAIL_64: &str =
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
const BCRYPT: &str = "$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const PHC_TAIL: &str = "c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA";

fn refused(stored: &str) -> Option<HashRefused> {
    DjangoHashes.take(stored).err()
}

fn expect_all(expected: Option<HashRefused>, texts: &[String]) {
    for text in texts {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn what_django_writes_is_taken() {
    let salt = "s".repeat(MAX_SALT);
    expect_all(
        None,
        &[
            format!("pbkdf2_sha256$1000000$salt${TAIL_32}"),
            format!("pbkdf2_sha256$5000000$salt${TAIL_32}"),
            format!("pbkdf2_sha256$1${salt}${TAIL_32}"),
            format!("pbkdf2_sha1$1000000$salt${TAIL_20}"),
            format!("bcrypt$$2b{BCRYPT}"),
            format!("bcrypt$$2a{BCRYPT}"),
            format!("bcrypt_sha256$$2y{BCRYPT}"),
            format!("scrypt$16384$salt$8$5${TAIL_64}"),
            format!("scrypt$65536$salt$8$1${TAIL_64}"),
            format!("argon2$argon2id$v=19$m=102400,t=2,p=8${PHC_TAIL}"),
            format!("argon2$argon2i$m=512,t=2,p=2${PHC_TAIL}"),
        ],
    );
}

#[test]
fn what_needs_more_memory_than_a_thread_keeps_says_so() {
    let beside = |text: &str| DjangoHash::parse(text).unwrap().memory_beside(19_456);
    let argon2 = |kib: u32| format!("argon2$argon2id$v=19$m={kib},t=2,p=8${PHC_TAIL}");
    assert_eq!(beside(&argon2(102_400)), 102_400);
    assert_eq!(beside(&argon2(19_456)), 0);
    assert_eq!(beside(&format!("scrypt$16384$salt$8$5${TAIL_64}")), 16_384);
    assert_eq!(beside(&format!("pbkdf2_sha256$1000000$salt${TAIL_32}")), 0);
    assert_eq!(beside(&format!("bcrypt$$2b{BCRYPT}")), 0);
}

#[test]
fn what_would_take_too_long_is_refused() {
    let costly_bcrypt = BCRYPT.replace("$04$", "$16$");
    expect_all(
        Some(TooCostly),
        &[
            format!("pbkdf2_sha256$5000001$salt${TAIL_32}"),
            format!("pbkdf2_sha256$99999999999999999999$salt${TAIL_32}"),
            format!("pbkdf2_sha1$4294967295$salt${TAIL_20}"),
            format!("bcrypt$$2b{costly_bcrypt}"),
            format!("bcrypt_sha256$$2b{costly_bcrypt}"),
            format!("scrypt$131072$salt$8$1${TAIL_64}"),
            format!("scrypt$16384$salt$8$33${TAIL_64}"),
            format!("scrypt$4294967295$salt$4294967295$4294967295${TAIL_64}"),
            format!("argon2$argon2id$v=19$m=262145,t=1,p=1${PHC_TAIL}"),
            format!("argon2$argon2id$v=19$m=102400,t=11,p=8${PHC_TAIL}"),
        ],
    );
}

#[test]
fn what_django_never_wrote_is_refused() {
    let long = "s".repeat(MAX_SALT + 1);
    expect_all(
        Some(Malformed),
        &[
            "pbkdf2_sha256$".to_owned(),
            "pbkdf2_sha256$1000$salt".to_owned(),
            format!("pbkdf2_sha256$1000$${TAIL_32}"),
            format!("pbkdf2_sha256$1000${long}${TAIL_32}"),
            format!("pbkdf2_sha256$0$salt${TAIL_32}"),
            format!("pbkdf2_sha256$-1$salt${TAIL_32}"),
            format!("pbkdf2_sha256$+1$salt${TAIL_32}"),
            format!("pbkdf2_sha256$$salt${TAIL_32}"),
            format!("pbkdf2_sha256$1000$salt${TAIL_20}"),
            format!("pbkdf2_sha256$1000$salt${TAIL_32}="),
            format!("pbkdf2_sha256$1000$salt${TAIL_32}$more"),
            "pbkdf2_sha256$1000$salt$".to_owned(),
            format!("pbkdf2_sha1$1000$salt${TAIL_32}"),
            format!("bcrypt$2b{BCRYPT}"),
            format!("bcrypt$$2x{BCRYPT}"),
            format!("bcrypt$$2b{BCRYPT}x"),
            "bcrypt$$2b$04$short".to_owned(),
            format!("bcrypt$$2b{}", BCRYPT.replace("$04$", "$03$")),
            format!("scrypt$16383$salt$8$5${TAIL_64}"),
            format!("scrypt$1$salt$8$5${TAIL_64}"),
            format!("scrypt$0$salt$8$5${TAIL_64}"),
            format!("scrypt$16384$salt$0$5${TAIL_64}"),
            format!("scrypt$16384$salt$8$0${TAIL_64}"),
            format!("scrypt$16384$salt$8$5${TAIL_32}"),
            format!("argon2$argon2id$v=18$m=512,t=2,p=2${PHC_TAIL}"),
            format!("argon2$argon2id$v=19$m=512,t=2,p=2,keyid=AAAA${PHC_TAIL}"),
            "argon2$argon2id$v=19$m=512,t=2,p=2".to_owned(),
            format!("pbkdf2_sha256$1000$salt${}", "A".repeat(600)),
        ],
    );
}

#[test]
fn schemes_that_protect_nobody_are_not_known() {
    let texts = [
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "sha1$salt$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
        "crypt$$ab",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "hunter2",
        // Hashes in this service's own format are not imported: their author would choose the password.
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
    ];
    expect_all(Some(UnknownScheme), &texts.map(str::to_owned));
}

#[test]
fn no_password_is_none() {
    for stored in ["", "!", "!3kQb9C0RjVYw", "!pbkdf2_sha256$1000$salt$AAAA"] {
        assert_eq!(DjangoHashes.take(stored), Ok(None), "{stored}");
    }
}

proptest! {
    #[test]
    fn junk_never_panics(
        text in "(pbkdf2_sha256|pbkdf2_sha1|bcrypt|bcrypt_sha256|scrypt|argon2)(\\$[0-9a-z=,]{0,12}){0,7}\\PC{0,60}",
    ) {
        let _ = DjangoHashes.take(&text);
    }
}
