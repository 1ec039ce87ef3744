//! Stored password hashes.

use std::fmt;

/// A password hash as a PHC string (or, from an import, in Django's form): parameters, salt, output.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps the output of a hasher or the value of a store.
    pub const fn from_encoded(encoded: String) -> Self {
        Self(encoded)
    }

    /// The encoded text, for hashers and stores.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}
