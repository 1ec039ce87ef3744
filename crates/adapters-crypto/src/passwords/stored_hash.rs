//! The forms in which stores keep hashes.

use argon2::password_hash::phc::Output;
use authentication_app::ports::HashError;
use authentication_domain::credentials::PasswordHash;

use super::argon2id::{Argon2Recipe, Peppers};

/// A hash taken apart, by scheme. What other systems made becomes a variant here when it is imported:
/// the compiler then asks for its comparison, and a match is outdated and replaced.
pub(super) enum StoredHash {
    /// A PHC string of argon2, ours or anybody's.
    Argon2 {
        recipe: Argon2Recipe,
        output: Output,
    },
}

impl StoredHash {
    /// Longer than any PHC string of argon2 with all its parts.
    const MAX_LENGTH: usize = 512;

    pub(super) fn parse(hash: &PasswordHash, peppers: &Peppers) -> Result<Self, HashError> {
        let text = hash.as_str();
        if text.len() > Self::MAX_LENGTH {
            return Err(HashError::Failed);
        }
        let (recipe, output) = Argon2Recipe::parse(text, peppers).ok_or(HashError::Failed)?;
        Ok(Self::Argon2 { recipe, output })
    }
}
