//! The catalog of domain events. The `type` names are a contract with consumers.

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
    /// A person proved a new identifier, and the account was created.
    AccountRegistered {
        /// The account.
        account: AccountId,
        /// Its roles.
        roles: Roles,
    },
    /// An account was imported from the predecessor system.
    AccountImported {
        /// The account.
        account: AccountId,
        /// Its roles.
        roles: Roles,
        /// The id in the predecessor system, by which other systems know the person.
        legacy_id: LegacyId,
    },
    /// A person signed in.
    SessionStarted {
        /// The account.
        account: AccountId,
        /// The new session.
        session: SessionId,
    },
    /// A session ended before it expired.
    SessionEnded {
        /// The account.
        account: AccountId,
        /// The session that ended.
        session: SessionId,
        /// The reason.
        reason: EndReason,
    },
    /// A replaced refresh token was presented, so a copy of it exists.
    RefreshReused {
        /// The account.
        account: AccountId,
        /// The session of the token.
        session: SessionId,
    },
    /// The password was changed or reset.
    PasswordChanged {
        /// The account.
        account: AccountId,
        /// Set with a code or link instead of the old password.
        by_reset: bool,
    },
    /// Fields of the profile changed.
    ProfileChanged {
        /// The account.
        account: AccountId,
        /// The names of the fields. Consumers request the values that they may see.
        fields: Vec<String>,
    },
    /// A second factor was enabled.
    SecondFactorAdded {
        /// The account.
        account: AccountId,
        /// The kind of factor.
        factor: SecondFactor,
    },
    /// A second factor was removed.
    SecondFactorRemoved {
        /// The account.
        account: AccountId,
        /// The kind of factor.
        factor: SecondFactor,
    },
    /// The identifier of the account was changed.
    IdentifierChanged {
        /// The account.
        account: AccountId,
        /// The kind of the new identifier.
        method: SignUpMethod,
        /// The previous holder undid a change, so the old identifier is back.
        undone: bool,
    },
    /// The owner reported a notified action as not theirs ("this was not me"). All sessions and known devices
    /// are revoked, and the password is void until it is reset.
    AccountSecured {
        /// The account.
        account: AccountId,
    },
    /// All second factors were removed because the owner had lost them.
    FactorsReset {
        /// The account.
        account: AccountId,
    },
    /// A passkey was enrolled.
    PasskeyAdded {
        /// The account.
        account: AccountId,
        /// The new passkey.
        passkey: PasskeyId,
    },
    /// A passkey was removed.
    PasskeyRemoved {
        /// The account.
        account: AccountId,
        /// The removed passkey.
        passkey: PasskeyId,
    },
    /// A passkey signed with a counter that did not increase and was refused: it may have been copied.
    PasskeyCopySuspected {
        /// The account.
        account: AccountId,
        /// The passkey.
        passkey: PasskeyId,
    },
    /// An identity at a provider was linked: it opens the account from now on.
    IdentityLinked {
        /// The account.
        account: AccountId,
        /// The provider.
        provider: ProviderName,
    },
    /// An identity at a provider was unlinked.
    IdentityUnlinked {
        /// The account.
        account: AccountId,
        /// The provider.
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
