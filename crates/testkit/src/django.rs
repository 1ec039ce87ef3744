//! Password hashes made by Django itself.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde::Serialize;

use crate::servers::python;

/// Answers each order on its standard input with `encode` of the hasher, as Django calls it.
const MAKER: &str = include_str!("django.py");

/// A hash to be made.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct HashOrder<'a> {
    /// The hasher: `pbkdf2_sha256`, `pbkdf2_sha1`, `bcrypt_sha256`, `bcrypt`, `argon2`, `argon2i` (as Django
    /// made it before 3.2), `argon2_unversioned` (before 1.11), `scrypt`, or `unusable`.
    pub hasher: &'a str,
    /// What the person typed.
    pub password: &'a str,
    /// Django's own choice when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<&'a str>,
    /// Made in a moment instead of by Django's own parameters.
    pub cheap: bool,
}

impl<'a> HashOrder<'a> {
    /// Every hasher that Django has had for people who care.
    pub const HASHERS: [&'static str; 8] = [
        "pbkdf2_sha256",
        "pbkdf2_sha1",
        "bcrypt_sha256",
        "bcrypt",
        "argon2",
        "argon2i",
        "argon2_unversioned",
        "scrypt",
    ];

    /// By Django's own parameters.
    pub const fn new(hasher: &'a str, password: &'a str) -> Self {
        Self {
            hasher,
            password,
            salt: None,
            cheap: false,
        }
    }

    /// The same, made in a moment.
    #[must_use]
    pub const fn cheap(self) -> Self {
        Self {
            cheap: true,
            ..self
        }
    }

    /// The same with a salt.
    #[must_use]
    pub const fn salted(self, salt: &'a str) -> Self {
        Self {
            salt: Some(salt),
            ..self
        }
    }
}

/// What Django keeps for each order, as its column `password` holds it.
///
/// # Panics
/// When there is no Python with Django.
pub fn hashes(orders: &[HashOrder<'_>]) -> Vec<String> {
    let mut maker = Command::new(python())
        .args(["-c", MAKER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = maker.stdin.take().expect("its standard input");
    stdin
        .write_all(&serde_json::to_vec(orders).expect("orders are JSON"))
        .expect("Python listens");
    drop(stdin);
    let output = maker.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "Django made no hashes");
    serde_json::from_slice(&output.stdout).expect("Python answers in JSON")
}
