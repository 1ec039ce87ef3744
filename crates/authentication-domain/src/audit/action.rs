//! What can be done, as the trail names it.

/// An act worth remembering. The names are stable: people search by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Someone asked to register an identifier.
    RegistrationRequested,
    /// An account was made.
    AccountRegistered,
    /// An account came over from the system before this one.
    AccountImported,
    /// A person signed in, or tried to.
    SignIn,
    /// Failures closed password sign-in for an identifier, or for one device of it.
    SignInLocked,
    /// Failures in a row closed a way of signing in: the password for devices that are not known, or codes of six
    /// digits.
    GuessingStopped,
    /// An operator opened what failures had closed.
    AccountUnlocked,
    /// A code was asked for.
    CodeRequested,
    /// A code was tried and did not count.
    CodeRefused,
    /// A refresh token was used that had been replaced.
    RefreshReuse,
    /// A refresh token that had been replaced was used by the session's own device, whose answer got lost.
    RefreshForgiven,
    /// A refresh token was used whose generation the store does not know yet: its latest commits are lost.
    RefreshAhead,
    /// A session ended.
    SessionEnded,
    /// The database was restored to an earlier state, and what was outstanding in it voided.
    DatabaseRestored,
    /// The person changed the password, knowing the old one.
    PasswordChanged,
    /// The person set a new password by code or link.
    PasswordReset,
    /// The profile changed.
    ProfileChanged,
    /// A first factor was proven, and a second one asked for.
    SecondFactorAsked,
    /// A second factor was tried and did not count.
    SecondFactorRefused,
    /// A second factor counts from now on.
    SecondFactorAdded,
    /// A second factor was taken away.
    SecondFactorRemoved,
    /// A fresh set of recovery codes; the old ones are void.
    RecoveryCodesRenewed,
    /// A recovery code stood in for another factor.
    RecoveryCodeUsed,
    /// The person proved again who they are, or tried to.
    Reauthenticated,
    /// The person asked to have another identifier.
    IdentifierChangeRequested,
    /// The account has another identifier.
    IdentifierChanged,
    /// Whoever had the identifier before took the change back.
    IdentifierChangeUndone,
    /// The owner said of something that they were told of: it was not me.
    AccountSecured,
    /// The person forgot a device.
    DeviceForgotten,
    /// The owner was told that their second factors will be taken off.
    FactorResetAnnounced,
    /// That was called off.
    FactorResetCalledOff,
    /// Every second factor was taken off, since the owner had lost them all.
    FactorsReset,
    /// A passkey was enrolled, or the attempt failed.
    PasskeyAdded,
    /// A passkey has another name.
    PasskeyRenamed,
    /// A passkey was taken away.
    PasskeyRemoved,
    /// A passkey signed with a counter that did not grow: somebody may hold a copy.
    PasskeyCopySuspected,
    /// An identity at a provider opens the account from here on.
    IdentityLinked,
    /// It does no more.
    IdentityUnlinked,
}

impl Action {
    /// The name in the trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistrationRequested => "account.registration_requested",
            Self::AccountRegistered => "account.registered",
            Self::AccountImported => "account.imported",
            Self::SignIn => "session.sign_in",
            Self::SignInLocked => "session.sign_in_locked",
            Self::GuessingStopped => "session.guessing_stopped",
            Self::AccountUnlocked => "account.unlocked",
            Self::CodeRequested => "challenge.requested",
            Self::CodeRefused => "challenge.refused",
            Self::RefreshReuse => "session.refresh_reuse",
            Self::RefreshForgiven => "session.refresh_forgiven",
            Self::RefreshAhead => "session.refresh_ahead",
            Self::SessionEnded => "session.ended",
            Self::DatabaseRestored => "service.database_restored",
            Self::PasswordChanged => "credential.password_changed",
            Self::PasswordReset => "credential.password_reset",
            Self::ProfileChanged => "profile.changed",
            Self::SecondFactorAsked => "mfa.asked",
            Self::SecondFactorRefused => "mfa.refused",
            Self::SecondFactorAdded => "mfa.factor_added",
            Self::SecondFactorRemoved => "mfa.factor_removed",
            Self::RecoveryCodesRenewed => "mfa.recovery_codes_renewed",
            Self::RecoveryCodeUsed => "mfa.recovery_code_used",
            Self::Reauthenticated => "session.reauthenticated",
            Self::IdentifierChangeRequested => "account.identifier_change_requested",
            Self::IdentifierChanged => "account.identifier_changed",
            Self::IdentifierChangeUndone => "account.identifier_change_undone",
            Self::AccountSecured => "account.secured",
            Self::DeviceForgotten => "device.forgotten",
            Self::FactorResetAnnounced => "mfa.reset_announced",
            Self::FactorResetCalledOff => "mfa.reset_called_off",
            Self::FactorsReset => "mfa.reset",
            Self::PasskeyAdded => "passkey.added",
            Self::PasskeyRenamed => "passkey.renamed",
            Self::PasskeyRemoved => "passkey.removed",
            Self::PasskeyCopySuspected => "passkey.copy_suspected",
            Self::IdentityLinked => "federation.linked",
            Self::IdentityUnlinked => "federation.unlinked",
        }
    }
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done.
    Success,
    /// Refused; the reason is the entry's own.
    Refused(&'static str),
}

impl Outcome {
    /// `success`, or the reason for the refusal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused(reason) => reason,
        }
    }
}
