//! The stages of a secret key's life, as those see them who never see a key.

use std::fmt;

use time::OffsetDateTime;

/// What keys are for. Each section of the key ring rotates by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeySection {
    /// Master keys: they wrap the data keys of persons and of the service.
    FieldEncryption,
    /// Digests by which identifiers are found.
    BlindIndex,
    /// Macs of refresh tokens.
    RefreshTokens,
    /// Macs of device tokens.
    DeviceTokens,
    /// One-time codes, links and fingerprints.
    Codes,
    /// The secret input of password hashes.
    PasswordPepper,
    /// Signatures of access tokens.
    Signing,
}

impl KeySection {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 7] = [
        Self::FieldEncryption,
        Self::BlindIndex,
        Self::RefreshTokens,
        Self::DeviceTokens,
        Self::Codes,
        Self::PasswordPepper,
        Self::Signing,
    ];

    /// Its name in documents and on the command line.
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

    /// The section of this name.
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

/// ```text
/// next ──promote──▶ current ──when another is promoted──▶ previous ──retire──▶ retired
///   └──────────────────────────────retire (never used)─────────────────────────▶┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Known everywhere before it is used: published, accepted, back-filled.
    Next,
    /// What is made, is made under it. One of each section.
    Current,
    /// What was made under it is still known.
    Previous,
    /// Gone. Its id is remembered, so that what names it is known to be waste.
    Retired,
}

impl KeyState {
    /// All.
    pub const ALL: [Self; 4] = [Self::Next, Self::Current, Self::Previous, Self::Retired];

    /// Its name in documents and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Retired => "retired",
        }
    }
}

/// A key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySummary {
    /// What it is for.
    pub section: KeySection,
    /// Its id.
    pub id: String,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made; unknown of keys from before that was written down.
    pub made_at: Option<OffsetDateTime>,
    /// Since when it is in its state; unknown likewise.
    pub since: Option<OffsetDateTime>,
    /// How rows of the store name it.
    pub stored_as: String,
    /// How it signs, if it does.
    pub algorithm: Option<&'static str>,
}
