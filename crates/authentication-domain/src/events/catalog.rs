//! Every event there is. The `type` names are promises to consumers.

use serde_json::{Value, json};

use common::access::Roles;

use crate::{
    accounts::{AccountId, LegacyId, SignUpMethod},
    federation::ProviderName,
    mfa::SecondFactor,
    passkeys::PasskeyId,
    sessions::{EndReason, SessionId},
};

/// Something that happened to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A person proved a new identifier; the account exists.
    AccountRegistered {
        /// Whose.
        account: AccountId,
        /// What they are.
        roles: Roles,
    },
    /// A person came over from the system before this one; the account exists.
    AccountImported {
        /// Whose.
        account: AccountId,
        /// What they are.
        roles: Roles,
        /// Who they were: what other systems know them by.
        legacy_id: LegacyId,
    },
    /// A person signed in.
    SessionStarted {
        /// Whose.
        account: AccountId,
        /// Which.
        session: SessionId,
    },
    /// A session ended before its time.
    SessionEnded {
        /// Whose.
        account: AccountId,
        /// Which.
        session: SessionId,
        /// Why.
        reason: EndReason,
    },
    /// A replaced refresh token was used: somebody holds a copy.
    RefreshReused {
        /// Whose.
        account: AccountId,
        /// Which session it belonged to.
        session: SessionId,
    },
    /// The password is another one now.
    PasswordChanged {
        /// Whose.
        account: AccountId,
        /// By code or link instead of with the old password.
        by_reset: bool,
    },
    /// Fields of the profile changed.
    ProfileChanged {
        /// Whose.
        account: AccountId,
        /// Their names; consumers ask for the values they may see.
        fields: Vec<String>,
    },
    /// A second factor counts from now on.
    SecondFactorAdded {
        /// Whose.
        account: AccountId,
        /// Which kind.
        factor: SecondFactor,
    },
    /// A second factor was taken away.
    SecondFactorRemoved {
        /// Whose.
        account: AccountId,
        /// Which kind.
        factor: SecondFactor,
    },
    /// The account has another identifier.
    IdentifierChanged {
        /// Whose.
        account: AccountId,
        /// Which kind it is now.
        method: SignUpMethod,
        /// It is the one before, which its holder took back.
        undone: bool,
    },
    /// The owner said of something that they were told of: it was not me. No session and no known device is
    /// left, and the password counts no more until it is set anew.
    AccountSecured {
        /// Whose.
        account: AccountId,
    },
    /// Every second factor was taken off, since the owner had lost them all.
    FactorsReset {
        /// Whose.
        account: AccountId,
    },
    /// A passkey was enrolled.
    PasskeyAdded {
        /// Whose.
        account: AccountId,
        /// Which.
        passkey: PasskeyId,
    },
    /// A passkey was taken away.
    PasskeyRemoved {
        /// Whose.
        account: AccountId,
        /// Which.
        passkey: PasskeyId,
    },
    /// A passkey signed with a counter that did not grow, and was refused: somebody may hold a copy.
    PasskeyCopySuspected {
        /// Whose.
        account: AccountId,
        /// Which.
        passkey: PasskeyId,
    },
    /// An identity at a provider opens the account from here on.
    IdentityLinked {
        /// Whose.
        account: AccountId,
        /// Where.
        provider: ProviderName,
    },
    /// It does no more.
    IdentityUnlinked {
        /// Whose.
        account: AccountId,
        /// Where.
        provider: ProviderName,
    },
}

impl Event {
    /// CloudEvents `type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::AccountRegistered { .. } => "com.fashionistar.auth.account.registered.v1",
            Self::AccountImported { .. } => "com.fashionistar.auth.account.imported.v1",
            Self::SessionStarted { .. } => "com.fashionistar.auth.session.started.v1",
            Self::SessionEnded { .. } => "com.fashionistar.auth.session.ended.v1",
            Self::RefreshReused { .. } => "com.fashionistar.auth.session.refresh_reused.v1",
            Self::PasswordChanged { .. } => "com.fashionistar.auth.credential.password_changed.v1",
            Self::ProfileChanged { .. } => "com.fashionistar.auth.profile.changed.v1",
            Self::SecondFactorAdded { .. } => "com.fashionistar.auth.mfa.factor_added.v1",
            Self::SecondFactorRemoved { .. } => "com.fashionistar.auth.mfa.factor_removed.v1",
            Self::IdentifierChanged { .. } => "com.fashionistar.auth.account.identifier_changed.v1",
            Self::AccountSecured { .. } => "com.fashionistar.auth.account.secured.v1",
            Self::FactorsReset { .. } => "com.fashionistar.auth.mfa.factors_reset.v1",
            Self::PasskeyAdded { .. } => "com.fashionistar.auth.passkey.added.v1",
            Self::PasskeyRemoved { .. } => "com.fashionistar.auth.passkey.removed.v1",
            Self::PasskeyCopySuspected { .. } => "com.fashionistar.auth.passkey.copy_suspected.v1",
            Self::IdentityLinked { .. } => "com.fashionistar.auth.federation.linked.v1",
            Self::IdentityUnlinked { .. } => "com.fashionistar.auth.federation.unlinked.v1",
        }
    }

    /// CloudEvents `subject`: events of one account are delivered in order.
    pub const fn account(&self) -> AccountId {
        match self {
            Self::AccountRegistered { account, .. }
            | Self::AccountImported { account, .. }
            | Self::SessionStarted { account, .. }
            | Self::SessionEnded { account, .. }
            | Self::RefreshReused { account, .. }
            | Self::PasswordChanged { account, .. }
            | Self::ProfileChanged { account, .. }
            | Self::SecondFactorAdded { account, .. }
            | Self::SecondFactorRemoved { account, .. }
            | Self::IdentifierChanged { account, .. }
            | Self::AccountSecured { account }
            | Self::FactorsReset { account }
            | Self::PasskeyAdded { account, .. }
            | Self::PasskeyRemoved { account, .. }
            | Self::PasskeyCopySuspected { account, .. }
            | Self::IdentityLinked { account, .. }
            | Self::IdentityUnlinked { account, .. } => *account,
        }
    }

    /// CloudEvents `data`.
    pub fn data(&self) -> Value {
        match self {
            Self::AccountRegistered { account, roles } => {
                json!({"account_id": account, "roles": roles})
            }
            Self::AccountImported {
                account,
                roles,
                legacy_id,
            } => json!({"account_id": account, "roles": roles, "legacy_id": legacy_id.as_str()}),
            Self::SessionStarted { account, session }
            | Self::RefreshReused { account, session } => {
                json!({"account_id": account, "session_id": session})
            }
            Self::SessionEnded {
                account,
                session,
                reason,
            } => json!({"account_id": account, "session_id": session, "reason": reason}),
            Self::PasswordChanged { account, by_reset } => {
                json!({"account_id": account, "by_reset": by_reset})
            }
            Self::ProfileChanged { account, fields } => {
                json!({"account_id": account, "fields": fields})
            }
            Self::SecondFactorAdded { account, factor }
            | Self::SecondFactorRemoved { account, factor } => {
                json!({"account_id": account, "factor": factor})
            }
            Self::IdentifierChanged {
                account,
                method,
                undone,
            } => json!({"account_id": account, "auth_method": method, "undone": undone}),
            Self::AccountSecured { account } | Self::FactorsReset { account } => {
                json!({"account_id": account})
            }
            Self::IdentityLinked { account, provider }
            | Self::IdentityUnlinked { account, provider } => {
                json!({"account_id": account, "provider": provider})
            }
            Self::PasskeyAdded { account, passkey }
            | Self::PasskeyRemoved { account, passkey }
            | Self::PasskeyCopySuspected { account, passkey } => {
                json!({"account_id": account, "passkey_id": passkey})
            }
        }
    }
}
