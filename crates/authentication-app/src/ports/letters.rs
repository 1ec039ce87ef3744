//! What a message says, apart from its words.
//!
//! A use case knows the facts; an adapter knows the words, in the languages that it has.

use authentication_domain::{
    challenges::{OneTimeCode, Purpose},
    opaque_token::OpaqueToken,
};
use time::Duration;

use super::Channel;

/// What a person is told.
#[derive(Debug)]
pub struct Letter {
    /// The facts.
    pub kind: LetterKind,
    /// The language that the person asked for (a BCP 47 tag); the default if absent or not to be had.
    pub language: Option<String>,
}

/// The facts of a letter. What people typed is never one of them.
#[derive(Debug)]
pub enum LetterKind {
    /// A one-time code.
    Code {
        /// What for.
        purpose: Purpose,
        /// The digits.
        code: OneTimeCode,
        /// How long they count.
        lifetime: Duration,
        /// The other way to set a new password; by mail alone, since a link in a text message trains
        /// people to tap links in text messages.
        link: Option<ResetLink>,
    },
    /// To the owner of an identifier that somebody tried to register again.
    AlreadyRegistered,
    /// Sign-in by password is closed on unknown devices.
    SignInLocked {
        /// For how long.
        lasts: Duration,
    },
    /// The password was changed or reset.
    PasswordChanged,
    /// A copy of a sign-in was used, and the sign-in was ended.
    SessionStolen,
}

/// The token of a reset link; the adapter knows to which page it belongs.
#[derive(Debug)]
pub struct ResetLink {
    /// The token.
    pub token: OpaqueToken,
    /// How long it counts.
    pub lifetime: Duration,
}

/// A letter in words.
pub struct WrittenLetter {
    /// One line; empty for text messages.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same for programs that show HTML; mail only.
    pub html: Option<String>,
    /// The language it is in.
    pub language: String,
}

/// The words for a letter could not be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a letter cannot be put into words")]
pub struct UnwritableLetter;

/// Puts letters into words.
pub trait LetterWriter: Send + Sync {
    /// # Errors
    /// [`UnwritableLetter`], which a check of all templates at the start should have made impossible.
    fn write(&self, letter: &Letter, channel: Channel) -> Result<WrittenLetter, UnwritableLetter>;
}
