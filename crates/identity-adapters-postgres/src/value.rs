//! Values of the domain as columns store them.
//!
//! Times are microseconds, ids are UUIDs, names are text, and everything sealed or hashed is bytes.

use authentication_app::ports::{Channel, IdempotencyKey, Sealed, Subject};
use authentication_domain::{
    accounts::{LegacyId, SignUpMethod},
    challenges::{CodeFormat, CodeNonce, Purpose},
    credentials::PasswordHash,
    federation::ProviderName,
    mfa::{RecoveryCodeDigest, TotpStep},
    opaque_token::TokenDigest,
    passkeys::{CeremonyPurpose, CredentialDigest},
};
use common::{
    Id, RequestId,
    access::{AuthenticationMethod, Roles},
    clock::{from_micros, to_micros},
    money::Currency,
};
use sea_orm::{TryGetable, Value, sea_query::Nullable};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A value that a column can store.
pub(crate) trait Stored: Sized {
    /// The type that the driver uses.
    type Column: TryGetable + Into<Value> + Nullable;
    fn to_column(&self) -> Self::Column;
    /// `None` if the column holds a value that the service never writes.
    fn from_column(column: Self::Column) -> Option<Self>;
}

/// A value that can be bound to a statement.
pub(crate) trait Bind {
    fn to_value(&self) -> Value;
}

impl<T: Stored> Bind for T {
    fn to_value(&self) -> Value {
        self.to_column().into()
    }
}

impl<T: Stored> Bind for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map(Stored::to_column).into()
    }
}

impl Bind for str {
    fn to_value(&self) -> Value {
        self.into()
    }
}

macro_rules! stored_as_itself {
    ($($kind:ty),+) => {$(
        impl Stored for $kind {
            type Column = Self;
            fn to_column(&self) -> Self {
                self.clone()
            }
            fn from_column(column: Self) -> Option<Self> {
                Some(column)
            }
        }
    )+};
}
stored_as_itself!(i64, Uuid, String, Vec<u8>);

impl<const N: usize> Stored for [u8; N] {
    type Column = Vec<u8>;
    fn to_column(&self) -> Vec<u8> {
        self.to_vec()
    }
    fn from_column(column: Vec<u8>) -> Option<Self> {
        column.try_into().ok()
    }
}

macro_rules! stored_as_its_bytes {
    ($($kind:ident),+) => {$(
        impl Stored for $kind {
            type Column = Vec<u8>;
            fn to_column(&self) -> Vec<u8> {
                self.0.to_vec()
            }
            fn from_column(column: Vec<u8>) -> Option<Self> {
                Stored::from_column(column).map(Self)
            }
        }
    )+};
}
stored_as_its_bytes!(
    Sealed,
    Subject,
    TokenDigest,
    CodeNonce,
    IdempotencyKey,
    RecoveryCodeDigest,
    CredentialDigest
);

macro_rules! stored_as_its_name {
    ($($kind:ident),+) => {$(
        impl Stored for $kind {
            type Column = String;
            fn to_column(&self) -> String {
                self.as_str().to_owned()
            }
            fn from_column(column: String) -> Option<Self> {
                Self::from_name(&column)
            }
        }
    )+};
}
stored_as_its_name!(
    AuthenticationMethod,
    Channel,
    CodeFormat,
    Purpose,
    SignUpMethod,
    CeremonyPurpose
);

impl Stored for ProviderName {
    type Column = String;
    fn to_column(&self) -> String {
        self.as_str().to_owned()
    }
    fn from_column(column: String) -> Option<Self> {
        Self::parse(&column).ok()
    }
}

macro_rules! stored_as_its_text {
    ($($kind:ident),+) => {$(
        impl Stored for $kind {
            type Column = String;
            fn to_column(&self) -> String {
                self.to_string()
            }
            fn from_column(column: String) -> Option<Self> {
                column.parse().ok()
            }
        }
    )+};
}
stored_as_its_text!(Roles, Currency);

impl<K> Stored for Id<K> {
    type Column = Uuid;
    fn to_column(&self) -> Uuid {
        self.as_uuid()
    }
    fn from_column(column: Uuid) -> Option<Self> {
        Some(Self::from_uuid(column))
    }
}

impl Stored for OffsetDateTime {
    type Column = i64;
    fn to_column(&self) -> i64 {
        to_micros(*self)
    }
    fn from_column(column: i64) -> Option<Self> {
        Some(from_micros(column))
    }
}

impl Stored for Duration {
    type Column = i64;
    fn to_column(&self) -> i64 {
        i64::try_from(self.whole_microseconds()).unwrap_or(i64::MAX)
    }
    fn from_column(column: i64) -> Option<Self> {
        Some(Self::microseconds(column))
    }
}

impl Stored for TotpStep {
    type Column = i64;
    fn to_column(&self) -> i64 {
        self.0
    }
    fn from_column(column: i64) -> Option<Self> {
        Some(Self(column))
    }
}

impl Stored for u32 {
    type Column = i64;
    fn to_column(&self) -> i64 {
        i64::from(*self)
    }
    fn from_column(column: i64) -> Option<Self> {
        column.try_into().ok()
    }
}

impl Stored for PasswordHash {
    type Column = String;
    fn to_column(&self) -> String {
        self.as_str().to_owned()
    }
    fn from_column(column: String) -> Option<Self> {
        Some(Self::from_encoded(column))
    }
}

impl Stored for LegacyId {
    type Column = String;
    fn to_column(&self) -> String {
        self.as_str().to_owned()
    }
    fn from_column(column: String) -> Option<Self> {
        Self::parse(&column).ok()
    }
}

impl Stored for RequestId {
    type Column = String;
    fn to_column(&self) -> String {
        self.as_str().to_owned()
    }
    fn from_column(column: String) -> Option<Self> {
        Self::parse(&column)
    }
}
