//! Why somebody is not imported.

use authentication_domain::{
    accounts::{InvalidEmail, InvalidPhone},
    profiles::InvalidText,
};

use crate::ports::HashRefused;

/// The reason, with nothing personal in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Whoever made an account on an address they do not hold must not find it here, with their password.
    #[error("is_verified is not true: nobody has proven that the identifier is theirs")]
    NotVerified,
    /// Nothing to sign in with.
    #[error("there is neither email nor phone")]
    NoIdentifier,
    /// An account has one.
    #[error("there are both email and phone: identifier must say which of them signs in")]
    AmbiguousIdentifier,
    /// The address.
    #[error("email: {0}")]
    Email(InvalidEmail),
    /// The number.
    #[error("phone: {0}")]
    Phone(InvalidPhone),
    /// Registered here, or imported from another row.
    #[error("another account has this identifier")]
    IdentifierTaken,
    /// Not a client by default: a query that forgot the column would make vendors clients.
    #[error("there is no role")]
    NoRole,
    /// Not one of ours.
    #[error("role names no role")]
    UnknownRole,
    /// Somebody decides which staff role that is, and not a flag.
    #[error("is_staff is true, and role is no staff role")]
    StaffWithoutRole,
    /// Nobody is made staff whom Django does not let in as staff.
    #[error("role is a staff role, and neither is_staff nor is_superuser is true")]
    RoleWithoutStaff,
    /// The hash.
    #[error("password: {0}")]
    Password(HashRefused),
    /// A field of the profile.
    #[error("{field}: {reason}")]
    Profile {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        reason: InvalidText,
    },
    /// Nobody joins tomorrow, or before there were computers.
    #[error("date_joined lies in the future, or before 1970")]
    JoinedAtNoTime,
    /// Below nothing.
    #[error("balance_minor is below zero")]
    NegativeBalance,
    /// Not three letters.
    #[error("currency is not three letters of ISO 4217")]
    Currency,
    /// Money of no currency, if there is any.
    #[error("there is a balance and no currency")]
    NoCurrency,
    /// Not among the settings.
    #[error("identities names a provider that is not configured")]
    UnknownProvider,
    /// No provider gives such a one.
    #[error("the subject of an identity must be 1 to 255 characters of ASCII")]
    Subject,
    /// One provider vouches for one person.
    #[error("there are two identities of one provider")]
    SeveralIdentities,
    /// It opens an account here, or was in a line before.
    #[error("an identity opens another account")]
    IdentityTaken,
    /// What is here now counts: it may have been changed since.
    #[error("was imported before from a line that said something else; nothing was changed")]
    ChangedSince,
}

impl Refusal {
    /// The stable name in reports.
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
