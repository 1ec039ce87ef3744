//! A person as Django knew them.

use std::fmt;

use authentication_domain::accounts::{LegacyId, SignUpMethod};
use secrecy::SecretString;
use time::OffsetDateTime;

/// One row of Django's, in its own words. Nothing in it is believed yet but its types; a text of nothing but
/// spaces is as good as none.
#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the columns of Django's table"
)]
pub struct LegacyUser {
    /// The key of the row.
    pub id: LegacyId,
    /// One of both.
    pub email: Option<String>,
    /// One of both.
    pub phone: Option<String>,
    /// Which of them counts, if both are there.
    pub identifier: Option<SignUpMethod>,
    /// The column `password` as it stands.
    pub password: Option<SecretString>,
    /// Client, vendor, or a staff role.
    pub role: Option<String>,
    /// They proved that mail or messages reach them.
    pub is_verified: bool,
    /// They may sign in.
    pub is_active: bool,
    /// They may enter Django's admin site.
    pub is_staff: bool,
    /// They may do anything.
    pub is_superuser: bool,
    /// How others see them.
    pub display_name: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// BCP 47.
    pub language: Option<String>,
    /// When they came.
    pub date_joined: Option<OffsetDateTime>,
    /// When they were last seen.
    pub last_login: Option<OffsetDateTime>,
    /// What their wallet holds, in minor units.
    pub balance_minor: Option<i64>,
    /// Of which currency.
    pub currency: Option<String>,
    /// Who they are at identity providers: the subject by the provider's name here.
    pub identities: Vec<(String, String)>,
}

impl LegacyUser {
    /// A verified, active person of whom nothing else is known.
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
