//! The formats of stored hashes.

use argon2::password_hash::phc::Output;
use authentication_app::ports::HashError;
use authentication_domain::credentials::{PasswordHash, PlainPassword};
use common::constant_time;

use super::{
    argon2id::{Argon2Recipe, Peppers},
    django::DjangoHash,
    memory::Memory,
};

/// A parsed hash, by scheme.
pub(super) enum StoredHash {
    /// A PHC string of argon2, from this service or from another system.
    Argon2 {
        recipe: Argon2Recipe,
        output: Output,
    },
    /// From an import. Always outdated: the first successful sign-in replaces it.
    Django(DjangoHash),
}

impl StoredHash {
    /// Upper bound for the length of a stored hash, in bytes.
    pub(super) const MAX_LENGTH: usize = 512;

    pub(super) fn parse(hash: &PasswordHash, peppers: &Peppers) -> Result<Self, HashError> {
        let text = hash.as_str();
        if text.len() > Self::MAX_LENGTH {
            return Err(HashError::Failed);
        }
        if !text.starts_with('$') {
            let django = DjangoHash::parse(text).map_err(|_| HashError::Failed)?;
            return Ok(Self::Django(django));
        }
        let (recipe, output) = Argon2Recipe::parse(text, peppers).ok_or(HashError::Failed)?;
        Ok(Self::Argon2 { recipe, output })
    }

    /// Whether the hash is as good as one made by `current`.
    pub(super) fn is_like(&self, current: &Argon2Recipe) -> bool {
        match self {
            Self::Argon2 { recipe, .. } => recipe.is_like(current),
            Self::Django(_) => false,
        }
    }

    /// The form of the password that was hashed. Django does not normalise its input, so comparing the input
    /// as typed takes one hash for everyone and locks out no one who could sign in there.
    pub(super) fn text_of<'a>(&self, password: &'a PlainPassword) -> &'a str {
        match self {
            Self::Argon2 { .. } => password.expose(),
            Self::Django(_) => password.expose_as_typed(),
        }
    }

    /// The memory in KiB that a comparison needs beside the thread's buffer of `kept` KiB.
    pub(super) fn memory_beside(&self, kept: u32) -> u32 {
        match self {
            Self::Argon2 { recipe, .. } => recipe.memory_beside(kept),
            Self::Django(django) => django.memory_beside(kept),
        }
    }

    /// Computes the hash of `password` and compares it in constant time.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<bool, HashError> {
        match self {
            Self::Argon2 { recipe, output } => {
                let computed = recipe.compute(password, memory)?;
                Ok(constant_time::is_equal(&computed, output.as_bytes()))
            }
            Self::Django(django) => django.matches(password, memory),
        }
    }
}
