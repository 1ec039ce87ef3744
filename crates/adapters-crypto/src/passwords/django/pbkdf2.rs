//! PBKDF2 (RFC 8018): Django's default.

use std::num::NonZeroU32;

use authentication_app::ports::HashRefused;
use aws_lc_rs::pbkdf2::{self, Algorithm, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256};

use super::{number, output, salt};

/// Django 5.2 uses 1,000,000, and each release about a fifth more. The maximum takes about a second.
const MAX_ITERATIONS: u32 = 5_000_000;

pub(in crate::passwords) struct Pbkdf2 {
    algorithm: Algorithm,
    iterations: NonZeroU32,
    salt: String,
    output: Vec<u8>,
}

impl Pbkdf2 {
    pub(super) fn parse_sha256(rest: &str) -> Result<Self, HashRefused> {
        Self::parse(rest, PBKDF2_HMAC_SHA256, 32)
    }

    pub(super) fn parse_sha1(rest: &str) -> Result<Self, HashRefused> {
        Self::parse(rest, PBKDF2_HMAC_SHA1, 20)
    }

    fn parse(rest: &str, algorithm: Algorithm, length: usize) -> Result<Self, HashRefused> {
        let mut parts = rest.splitn(3, '$');
        let mut part = || parts.next().ok_or(HashRefused::Malformed);
        let iterations = number(part()?)?;
        if iterations > MAX_ITERATIONS {
            return Err(HashRefused::TooCostly);
        }
        Ok(Self {
            algorithm,
            iterations: NonZeroU32::new(iterations).ok_or(HashRefused::Malformed)?,
            salt: salt(part()?)?,
            output: output(part()?, length)?,
        })
    }

    /// Compares in constant time.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let salt = self.salt.as_bytes();
        pbkdf2::verify(
            self.algorithm,
            self.iterations,
            salt,
            password,
            &self.output,
        )
        .is_ok()
    }
}
