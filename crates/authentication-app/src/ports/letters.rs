//! The content of a message, without its wording.
//!
//! A use case supplies the facts; an adapter supplies the wording, in the languages that it supports.

use authentication_domain::{
    challenges::{OneTimeCode, Purpose},
    credentials::CredentialKind,
    opaque_token::OpaqueToken,
};
use time::Duration;

use super::{Channel, Gathered, LinkKind};

/// A message to a person.
#[derive(Debug)]
pub struct Letter {
    /// The facts.
    pub kind: LetterKind,
    /// For a summary: how often and when the act happened.
    pub gathered: Option<Gathered>,
    /// For a notice: the link by which its owner reports that it was not them.
    pub link: Option<OwnerLink>,
    /// The language that the person asked for (a BCP 47 tag); the default language if it is absent or not
    /// supported.
    pub language: Option<String>,
}

/// The facts of a letter. They never include what people typed.
#[derive(Debug)]
pub enum LetterKind {
    /// A one-time code.
    Code {
        /// What the code is for.
        purpose: Purpose,
        /// The code.
        code: OneTimeCode,
        /// How long code and link are valid.
        lifetime: Duration,
        /// The alternative way to set a new password. Only in mail: a link in a text message would train people to
        /// tap links in text messages.
        link: Option<ResetLink>,
    },
    /// To the owner of an identifier that was used in another registration attempt.
    AlreadyRegistered,
    /// Sign-in by password is locked on unknown devices.
    SignInLocked {
        /// How long the lock lasts.
        lasts: Duration,
    },
    /// After too many consecutive wrong guesses, the password is closed on unknown devices, or codes are long from
    /// now on.
    GuessingStopped,
    /// The password was changed or reset.
    PasswordChanged,
    /// A copied refresh token was used, and the session was ended.
    SessionStolen,
    /// A sign-in from an unknown device.
    NewDevice,
    /// A credential was added.
    CredentialAdded(CredentialKind),
    /// A credential was removed.
    CredentialRemoved(CredentialKind),
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// Three recovery codes are left.
    RecoveryCodesLow,
    /// The account's identifier was changed.
    IdentifierChanged,
    /// The previous identifier was restored.
    IdentifierRestored,
    /// All sessions were ended, and the password must be set anew.
    AccountSecured,
    /// Every second factor will be removed unless the owner objects.
    FactorResetAnnounced {
        /// The waiting period before the removal.
        wait: Duration,
    },
    /// Every second factor was removed.
    FactorsReset,
    /// A passkey may have been copied; its use was refused.
    PasskeyCopySuspected,
    /// A sign-in was ended after wrong second factors.
    SecondFactorRefused,
    /// The authenticator app's codes are no longer accepted.
    AuthenticatorClosed,
}

/// The token of a reset link; the adapter knows the page that it belongs to.
#[derive(Debug)]
pub struct ResetLink {
    /// The token.
    pub token: OpaqueToken,
    /// How long it is valid.
    pub lifetime: Duration,
}

/// The token of the link in a notice; the adapter knows the page that it belongs to.
#[derive(Debug)]
pub struct OwnerLink {
    /// What the link does.
    pub kind: LinkKind,
    /// The token.
    pub token: OpaqueToken,
    /// How long it is valid.
    pub lifetime: Duration,
}

/// A letter with its wording.
pub struct WrittenLetter {
    /// One line; empty for text messages.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same content as HTML; mail only.
    pub html: Option<String>,
    /// The language of the text.
    pub language: String,
}

/// No wording was found for a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a letter cannot be put into words")]
pub struct UnwritableLetter;

/// Renders letters.
pub trait LetterWriter: Send + Sync {
    /// # Errors
    /// [`UnwritableLetter`], which the check of all templates at start-up should rule out.
    fn write(&self, letter: &Letter, channel: Channel) -> Result<WrittenLetter, UnwritableLetter>;
}
