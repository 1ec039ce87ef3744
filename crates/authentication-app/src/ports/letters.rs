//! What a message says, apart from its words.
//!
//! A use case knows the facts; an adapter knows the words, in the languages that it has.

use authentication_domain::{
    challenges::{OneTimeCode, Purpose},
    credentials::CredentialKind,
    opaque_token::OpaqueToken,
};
use time::Duration;

use super::{Channel, Gathered, LinkKind};

/// What a person is told.
#[derive(Debug)]
pub struct Letter {
    /// The facts.
    pub kind: LetterKind,
    /// Of a summary: how often and when it happened.
    pub gathered: Option<Gathered>,
    /// The way to say that it was not oneself, for notices.
    pub link: Option<OwnerLink>,
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
        /// The code.
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
    /// Somebody guessed for so long that the password is closed on unknown devices, or codes are long from now on.
    GuessingStopped,
    /// The password was changed or reset.
    PasswordChanged,
    /// A copy of a sign-in was used, and the sign-in was ended.
    SessionStolen,
    /// Somebody signed in from a device that was not known.
    NewDevice,
    /// Another way of proving who one is was added.
    CredentialAdded(CredentialKind),
    /// One was taken away.
    CredentialRemoved(CredentialKind),
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// Three recovery codes are left.
    RecoveryCodesLow,
    /// The account has another identifier.
    IdentifierChanged,
    /// The identifier is the one before again.
    IdentifierRestored,
    /// All sessions were ended, and the password is to be set anew.
    AccountSecured,
    /// Every second factor will be taken off, unless the owner objects.
    FactorResetAnnounced {
        /// After so long.
        wait: Duration,
    },
    /// Every second factor was taken off.
    FactorsReset,
    /// Somebody may hold a copy of a passkey; it was refused.
    PasskeyCopySuspected,
    /// A sign-in ended with wrong second factors.
    SecondFactorRefused,
    /// The authenticator app takes no more codes.
    AuthenticatorClosed,
}

/// The token of a reset link; the adapter knows to which page it belongs.
#[derive(Debug)]
pub struct ResetLink {
    /// The token.
    pub token: OpaqueToken,
    /// How long it counts.
    pub lifetime: Duration,
}

/// The token of the link in a notice; the adapter knows to which page it belongs.
#[derive(Debug)]
pub struct OwnerLink {
    /// What it does.
    pub kind: LinkKind,
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
