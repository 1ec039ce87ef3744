//! The life cycle of secret keys, for code that never sees a key.

use std::fmt;

use time::OffsetDateTime;

/// The uses of keys. Each section of the key ring rotates separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeySection {
    /// Master keys, which wrap the data keys of persons and of the service.
    FieldEncryption,
    /// Keys of the digests by which identifiers are looked up.
    BlindIndex,
    /// Keys of the MACs of refresh tokens.
    RefreshTokens,
    /// Keys of the MACs of device tokens.
    DeviceTokens,
    /// Keys of one-time codes, links and fingerprints.
    Codes,
    /// Peppers: the secret input of password hashes.
    PasswordPepper,
    /// Keys that sign access tokens.
    Signing,
}

impl KeySection {
    /// Every section, in the order of listings.
    pub const ALL: [Self; 7] = [
        Self::FieldEncryption,
        Self::BlindIndex,
        Self::RefreshTokens,
        Self::DeviceTokens,
        Self::Codes,
        Self::PasswordPepper,
        Self::Signing,
    ];

    /// The section's name in documents and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FieldEncryption => "field_encryption",
            Self::BlindIndex => "blind_index",
            Self::RefreshTokens => "refresh_tokens",
            Self::DeviceTokens => "device_tokens",
            Self::Codes => "codes",
            Self::PasswordPepper => "password_pepper",
            Self::Signing => "signing",
        }
    }

    /// The section with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|section| section.as_str() == name)
    }
}

impl fmt::Display for KeySection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The states of a key's life cycle.
///
/// ```text
/// next ──promote──▶ current ──when another is promoted──▶ previous ──retire──▶ retired
///   └──────────────────────────────retire (never used)─────────────────────────▶┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Distributed to all nodes before its first use: published, accepted and back-filled.
    Next,
    /// Used for everything new. Each section has one.
    Current,
    /// Still accepted for what was made under it.
    Previous,
    /// Deleted. Its id is kept, so that rows that name it can be recognised as waste.
    Retired,
}

impl KeyState {
    /// Every state, in the order of the life cycle.
    pub const ALL: [Self; 4] = [Self::Next, Self::Current, Self::Previous, Self::Retired];

    /// The state's name in documents and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Retired => "retired",
        }
    }
}

/// The metadata of a key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySummary {
    /// The section it belongs to.
    pub section: KeySection,
    /// The key's id.
    pub id: String,
    /// Its state in the life cycle.
    pub state: KeyState,
    /// When it was made; `None` for keys older than this record.
    pub made_at: Option<OffsetDateTime>,
    /// Since when it is in its state; `None` for keys older than this record.
    pub since: Option<OffsetDateTime>,
    /// How rows of the store refer to it.
    pub stored_as: String,
    /// The signing algorithm, for signing keys.
    pub algorithm: Option<&'static str>,
}
