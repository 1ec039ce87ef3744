//! Password hashes of Django, in the format of `django.contrib.auth.hashers`.
//!
//! ```text
//! pbkdf2_sha256$<iterations>$<salt>$<base64>      also pbkdf2_sha1
//! bcrypt_sha256$$2b$<cost>$<salt and output>      of the SHA-256 of the password, in hexadecimal digits
//! bcrypt$$2b$<cost>$<salt and output>             of its first 72 bytes
//! argon2$argon2id$v=19$m=…,t=…,p=…$<salt>$<output>   also argon2i and argon2d
//! scrypt$<N>$<salt>$<r>$<p>$<base64>
//! ```
//!
//! Every parameter is bounded, so that neither a file nor a store can make the service compute for minutes.

mod bcrypt;
mod pbkdf2;
mod scrypt;
#[cfg(test)]
mod tests;

use argon2::password_hash::phc::Output;
use authentication_app::ports::{ForeignHashes, HashError, HashRefused};
use authentication_domain::credentials::PasswordHash;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::constant_time;

use self::{bcrypt::Bcrypt, pbkdf2::Pbkdf2, scrypt::Scrypt};
use super::{argon2id::Argon2Recipe, memory::Memory, stored_hash::StoredHash};

/// A parsed Django hash.
pub(super) enum DjangoHash {
    Pbkdf2(Pbkdf2),
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    Argon2 {
        recipe: Argon2Recipe,
        output: Output,
    },
}

/// Maximum memory of an argon2 hash in KiB: Django's own take 100 MiB.
const MAX_ARGON2_KIB: u32 = 1 << 18;
/// Maximum memory in KiB times passes, about one second.
const MAX_ARGON2_COST: u64 = 1 << 20;
/// Maximum length of a salt in bytes. Django's have 12 or 22.
const MAX_SALT: usize = 128;

impl DjangoHash {
    pub(super) fn parse(text: &str) -> Result<Self, HashRefused> {
        if text.len() > StoredHash::MAX_LENGTH {
            return Err(HashRefused::Malformed);
        }
        let (scheme, rest) = text.split_once('$').ok_or(HashRefused::UnknownScheme)?;
        match scheme {
            "pbkdf2_sha256" => Pbkdf2::parse_sha256(rest).map(Self::Pbkdf2),
            "pbkdf2_sha1" => Pbkdf2::parse_sha1(rest).map(Self::Pbkdf2),
            "bcrypt_sha256" => Bcrypt::parse_of_sha256(rest).map(Self::Bcrypt),
            "bcrypt" => Bcrypt::parse(rest).map(Self::Bcrypt),
            "scrypt" => Scrypt::parse(rest).map(Self::Scrypt),
            "argon2" => parse_argon2(rest),
            _ => Err(HashRefused::UnknownScheme),
        }
    }

    /// The memory in KiB that a comparison needs beside a buffer of `kept` KiB.
    pub(super) fn memory_beside(&self, kept: u32) -> u32 {
        match self {
            Self::Pbkdf2(_) | Self::Bcrypt(_) => 0,
            Self::Scrypt(hash) => hash.memory_kib(),
            Self::Argon2 { recipe, .. } => recipe.memory_beside(kept),
        }
    }

    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, HashError> {
        match self {
            Self::Pbkdf2(hash) => Ok(hash.matches(password)),
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Scrypt(hash) => hash.matches(password),
            Self::Argon2 { recipe, output } => {
                let computed = recipe.compute(password, memory)?;
                Ok(constant_time::is_equal(&computed, output.as_bytes()))
            }
        }
    }
}

fn parse_argon2(rest: &str) -> Result<DjangoHash, HashRefused> {
    let phc = format!("${rest}");
    let (recipe, output) = Argon2Recipe::parse_foreign(&phc).ok_or(HashRefused::Malformed)?;
    let (memory, cost) = recipe.cost();
    if memory > MAX_ARGON2_KIB || cost > MAX_ARGON2_COST {
        return Err(HashRefused::TooCostly);
    }
    Ok(DjangoHash::Argon2 { recipe, output })
}

/// Parses a decimal number as Django writes it.
fn number(text: &str) -> Result<u32, HashRefused> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain {
        return Err(HashRefused::Malformed);
    }
    // A number that overflows means an unacceptable cost.
    text.parse().map_err(|_| HashRefused::TooCostly)
}

/// Salts are text, and their bytes are hashed as such.
fn salt(text: &str) -> Result<String, HashRefused> {
    let fits = (1..=MAX_SALT).contains(&text.len());
    fits.then(|| text.to_owned()).ok_or(HashRefused::Malformed)
}

/// Decodes an output of `length` bytes.
fn output(text: &str, length: usize) -> Result<Vec<u8>, HashRefused> {
    let bytes = STANDARD.decode(text).map_err(|_| HashRefused::Malformed)?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(HashRefused::Malformed)
    }
}

/// Parses values of Django's `auth_user.password`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DjangoHashes;

impl ForeignHashes for DjangoHashes {
    fn take(&self, stored: &str) -> Result<Option<PasswordHash>, HashRefused> {
        // An unusable password (`set_unusable_password`), or an empty value.
        if stored.is_empty() || stored.starts_with('!') {
            return Ok(None);
        }
        DjangoHash::parse(stored)?;
        Ok(Some(PasswordHash::from_encoded(stored.to_owned())))
    }
}
