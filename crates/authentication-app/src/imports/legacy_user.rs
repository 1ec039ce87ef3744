//! A person's row in Django.

use std::fmt;

use authentication_domain::accounts::{LegacyId, SignUpMethod};
use secrecy::SecretString;
use time::OffsetDateTime;

/// One row of Django's table, with its column names. Only the types are validated; a text of only spaces counts as
/// absent.
#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the columns of Django's table"
)]
pub struct LegacyUser {
    /// The key of the row.
    pub id: LegacyId,
    /// Required, unless there is a phone number.
    pub email: Option<String>,
    /// Required, unless there is an email address.
    pub phone: Option<String>,
    /// Which of the two becomes the identifier, if both are present.
    pub identifier: Option<SignUpMethod>,
    /// The column `password`, unchanged.
    pub password: Option<SecretString>,
    /// Client, vendor, or a staff role.
    pub role: Option<String>,
    /// Whether they proved that they receive messages at the identifier.
    pub is_verified: bool,
    /// Whether they may sign in.
    pub is_active: bool,
    /// Whether they may enter Django's admin site.
    pub is_staff: bool,
    /// Whether they have every permission.
    pub is_superuser: bool,
    /// Their public name.
    pub display_name: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// BCP 47.
    pub language: Option<String>,
    /// When they registered.
    pub date_joined: Option<OffsetDateTime>,
    /// When they last signed in.
    pub last_login: Option<OffsetDateTime>,
    /// The balance of their wallet, in minor units.
    pub balance_minor: Option<i64>,
    /// The wallet's currency (ISO 4217).
    pub currency: Option<String>,
    /// Their identities at providers: pairs of the provider's name here and the subject.
    pub identities: Vec<(String, String)>,
}

impl LegacyUser {
    /// A verified, active person without any other data.
    pub fn new(id: LegacyId) -> Self {
        Self {
            id,
            email: None,
            phone: None,
            identifier: None,
            password: None,
            role: None,
            is_verified: true,
            is_active: true,
            is_staff: false,
            is_superuser: false,
            display_name: None,
            first_name: None,
            last_name: None,
            country: None,
            language: None,
            date_joined: None,
            last_login: None,
            balance_minor: None,
            currency: None,
            identities: Vec::new(),
        }
    }
}

impl fmt::Debug for LegacyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LegacyUser({}, …)", self.id)
    }
}
