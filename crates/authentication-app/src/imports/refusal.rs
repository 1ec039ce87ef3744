//! Why a person is not imported.

use authentication_domain::{
    accounts::{InvalidEmail, InvalidPhone},
    profiles::InvalidText,
};

use crate::ports::HashRefused;

/// The reason, without personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An account made on another person's address must not be imported: the creator would keep the password.
    #[error("is_verified is not true: nobody has proven that the identifier is theirs")]
    NotVerified,
    /// There is no identifier to sign in with.
    #[error("there is neither email nor phone")]
    NoIdentifier,
    /// An account has one identifier, so the row must say which.
    #[error("there are both email and phone: identifier must say which of them signs in")]
    AmbiguousIdentifier,
    /// The address is invalid.
    #[error("email: {0}")]
    Email(InvalidEmail),
    /// The number is invalid.
    #[error("phone: {0}")]
    Phone(InvalidPhone),
    /// An account with the identifier was registered here, or imported from another row.
    #[error("another account has this identifier")]
    IdentifierTaken,
    /// There is deliberately no default role: a query that omits the column would turn vendors into clients.
    #[error("there is no role")]
    NoRole,
    /// The role does not exist here.
    #[error("role names no role")]
    UnknownRole,
    /// A person must decide which staff role applies; the flag does not say.
    #[error("is_staff is true, and role is no staff role")]
    StaffWithoutRole,
    /// Nobody becomes staff who is not staff in Django.
    #[error("role is a staff role, and neither is_staff nor is_superuser is true")]
    RoleWithoutStaff,
    /// The password hash is not accepted.
    #[error("password: {0}")]
    Password(HashRefused),
    /// A field of the profile is invalid.
    #[error("{field}: {reason}")]
    Profile {
        /// The field's name.
        field: &'static str,
        /// The reason.
        reason: InvalidText,
    },
    /// The date lies in the future, or before 1970.
    #[error("date_joined lies in the future, or before 1970")]
    JoinedAtNoTime,
    /// The balance is negative.
    #[error("balance_minor is below zero")]
    NegativeBalance,
    /// The currency is not a three-letter code.
    #[error("currency is not three letters of ISO 4217")]
    Currency,
    /// There is a balance without a currency.
    #[error("there is a balance and no currency")]
    NoCurrency,
    /// The provider is not configured.
    #[error("identities names a provider that is not configured")]
    UnknownProvider,
    /// The subject has a form that no provider issues.
    #[error("the subject of an identity must be 1 to 255 characters of ASCII")]
    Subject,
    /// Two identities at one provider; an account may have only one.
    #[error("there are two identities of one provider")]
    SeveralIdentities,
    /// The identity opens an account here, or was in an earlier line.
    #[error("an identity opens another account")]
    IdentityTaken,
    /// The account here stays unchanged, because it may have been changed since its import.
    #[error("was imported before from a line that said something else; nothing was changed")]
    ChangedSince,
}

impl Refusal {
    /// The refusal's stable name in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotVerified => "not_verified",
            Self::NoIdentifier => "no_identifier",
            Self::AmbiguousIdentifier => "ambiguous_identifier",
            Self::Email(_) => "invalid_email",
            Self::Phone(_) => "invalid_phone",
            Self::IdentifierTaken => "identifier_taken",
            Self::NoRole => "no_role",
            Self::UnknownRole => "unknown_role",
            Self::StaffWithoutRole => "staff_without_role",
            Self::RoleWithoutStaff => "role_without_staff",
            Self::Password(HashRefused::UnknownScheme) => "password_scheme_unknown",
            Self::Password(HashRefused::Malformed) => "password_malformed",
            Self::Password(HashRefused::TooCostly) => "password_too_costly",
            Self::Profile { .. } => "invalid_profile",
            Self::JoinedAtNoTime => "invalid_date_joined",
            Self::NegativeBalance => "negative_balance",
            Self::Currency => "invalid_currency",
            Self::NoCurrency => "no_currency",
            Self::UnknownProvider => "unknown_provider",
            Self::Subject => "invalid_subject",
            Self::SeveralIdentities => "several_identities",
            Self::IdentityTaken => "identity_taken",
            Self::ChangedSince => "changed_since",
        }
    }
}
