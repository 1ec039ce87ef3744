//! The actions that the audit log records.

/// An action in the audit log. The names are stable, because people search by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Someone asked to register an identifier.
    RegistrationRequested,
    /// An account was created.
    AccountRegistered,
    /// An account was imported from the predecessor system.
    AccountImported,
    /// A person signed in, or tried to.
    SignIn,
    /// Failed attempts locked password sign-in for an identifier, or for one of its known devices.
    SignInLocked,
    /// Consecutive failures closed a way to sign in: the password on unknown devices, or six-digit codes.
    GuessingStopped,
    /// An operator lifted a lock that failures had caused.
    AccountUnlocked,
    /// A code was requested.
    CodeRequested,
    /// A code was presented and refused.
    CodeRefused,
    /// A refresh token was presented that had already been replaced.
    RefreshReuse,
    /// A replaced refresh token was presented by the session's own device, which had not received the
    /// response.
    RefreshForgiven,
    /// A refresh token was presented whose generation is ahead of the store, which has lost its latest
    /// commits.
    RefreshAhead,
    /// A session ended.
    SessionEnded,
    /// The database was restored to an earlier state, and everything outstanding in it was revoked.
    DatabaseRestored,
    /// The person changed the password and proved the old one.
    PasswordChanged,
    /// The person set a new password with a code or link.
    PasswordReset,
    /// The profile changed.
    ProfileChanged,
    /// The first factor was proven and a second one requested.
    SecondFactorAsked,
    /// A second factor was presented and refused.
    SecondFactorRefused,
    /// A second factor was enabled.
    SecondFactorAdded,
    /// A second factor was removed.
    SecondFactorRemoved,
    /// A new set of recovery codes was issued; the old ones are void.
    RecoveryCodesRenewed,
    /// A recovery code was used in place of another factor.
    RecoveryCodeUsed,
    /// The person reauthenticated, or tried to.
    Reauthenticated,
    /// The person requested a change of identifier.
    IdentifierChangeRequested,
    /// The identifier of the account was changed.
    IdentifierChanged,
    /// The holder of the previous identifier undid the change.
    IdentifierChangeUndone,
    /// The owner reported a notified action as not theirs ("this was not me").
    AccountSecured,
    /// The person removed a known device.
    DeviceForgotten,
    /// The owner was notified that their second factors will be removed.
    FactorResetAnnounced,
    /// The announced removal of second factors was cancelled.
    FactorResetCalledOff,
    /// All second factors were removed because the owner had lost them.
    FactorsReset,
    /// A passkey was enrolled, or the attempt failed.
    PasskeyAdded,
    /// A passkey was renamed.
    PasskeyRenamed,
    /// A passkey was removed.
    PasskeyRemoved,
    /// A passkey signed with a counter that did not increase, so it may have been copied.
    PasskeyCopySuspected,
    /// An identity at a provider was linked to the account.
    IdentityLinked,
    /// An identity at a provider was unlinked from the account.
    IdentityUnlinked,
}

impl Action {
    /// The name in the audit log.
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

/// The outcome of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It succeeded.
    Success,
    /// Refused, with the reason that the entry records.
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
