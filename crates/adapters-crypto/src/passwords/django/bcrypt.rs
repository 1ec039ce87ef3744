//! bcrypt, of the password or of its digest.

use std::str::FromStr as _;

use authentication_app::ports::{HashError, HashRefused};
use aws_lc_rs::digest;
use bcrypt::HashParts;
use common::constant_time;
use zeroize::Zeroizing;

/// Django uses 12; each step doubles the cost. 15 takes about a second and a half.
const MAX_COST: u32 = 15;
const MIN_COST: u32 = 4;

pub(in crate::passwords) struct Bcrypt {
    /// Whether it hashes the SHA-256 of the password, in hexadecimal digits, so that long passwords count in full.
    of_sha256: bool,
    parts: HashParts,
}

impl Bcrypt {
    pub(super) fn parse(rest: &str) -> Result<Self, HashRefused> {
        // 2a, 2b and 2y give the same result for passwords as people type them; 2x is broken.
        let is_sound = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|version| rest.starts_with(version));
        if !is_sound {
            return Err(HashRefused::Malformed);
        }
        let parts = HashParts::from_str(rest).map_err(|_| HashRefused::Malformed)?;
        match parts.get_cost() {
            MIN_COST..=MAX_COST => Ok(Self {
                of_sha256: false,
                parts,
            }),
            0..MIN_COST => Err(HashRefused::Malformed),
            _ => Err(HashRefused::TooCostly),
        }
    }

    pub(super) fn parse_of_sha256(rest: &str) -> Result<Self, HashRefused> {
        let plain = Self::parse(rest)?;
        Ok(Self {
            of_sha256: true,
            ..plain
        })
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, HashError> {
        let hashed = if self.of_sha256 {
            hex(digest::digest(&digest::SHA256, password).as_ref())
        } else {
            Zeroizing::new(password.to_vec())
        };
        // Truncates after 72 bytes, as the library behind Django did.
        let (cost, salt) = (self.parts.get_cost(), self.parts.get_salt_raw());
        let computed =
            bcrypt::hash_with_salt(&*hashed, cost, salt).map_err(|_| HashError::Failed)?;
        let (computed, kept) = (computed.to_string(), self.parts.to_string());
        Ok(constant_time::is_equal(
            computed.as_bytes(),
            kept.as_bytes(),
        ))
    }
}

fn hex(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let digit = |nibble: u8| match nibble {
        0..10 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    };
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    Zeroizing::new(digits.collect())
}
