//! Password hashes made by Django itself.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde::Serialize;

use crate::servers::python;

/// For each order on its standard input, prints the result of the hasher's `encode`, called as Django calls it.
const MAKER: &str = include_str!("django.py");

/// A hash to create.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct HashOrder<'a> {
    /// The hasher: `pbkdf2_sha256`, `pbkdf2_sha1`, `bcrypt_sha256`, `bcrypt`, `argon2`, `argon2i` (as Django
    /// did before 3.2), `argon2_unversioned` (before 1.11), `scrypt`, or `unusable`.
    pub hasher: &'a str,
    /// The password as typed.
    pub password: &'a str,
    /// The salt; Django chooses it if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<&'a str>,
    /// With minimal cost parameters instead of Django's defaults.
    pub cheap: bool,
}

impl<'a> HashOrder<'a> {
    /// Every hasher of Django that is meant for real passwords.
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

    /// An order with Django's default parameters.
    pub const fn new(hasher: &'a str, password: &'a str) -> Self {
        Self {
            hasher,
            password,
            salt: None,
            cheap: false,
        }
    }

    /// The same order with minimal cost parameters.
    #[must_use]
    pub const fn cheap(self) -> Self {
        Self {
            cheap: true,
            ..self
        }
    }

    /// The same order with a fixed salt.
    #[must_use]
    pub const fn salted(self, salt: &'a str) -> Self {
        Self {
            salt: Some(salt),
            ..self
        }
    }
}

/// For each order, the value of Django's column `password`.
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
