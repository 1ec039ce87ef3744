//! Judging one row of the import file.

use std::{collections::BTreeMap, fmt};

use authentication_domain::{
    accounts::{EmailAddress, Identifier, LegacyId, PhoneNumber, SignUpMethod},
    credentials::PasswordHash,
    federation::{ExternalIdentity, ProviderName},
    profiles::{DisplayName, InvalidText, Profile, country},
};
use common::{
    access::{Role, Roles},
    clock::truncate_to_micros,
    money::{Currency, Money},
};
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Imports, LegacyUser, Refusal};

/// A person who may be imported.
#[derive(Clone)]
pub struct Candidate {
    pub(super) legacy_id: LegacyId,
    pub(super) identifier: Identifier,
    pub(super) password: Option<PasswordHash>,
    pub(super) roles: Roles,
    pub(super) suspended: bool,
    pub(super) profile: Profile,
    pub(super) wallet: Money,
    pub(super) joined: OffsetDateTime,
    pub(super) last_login: Option<OffsetDateTime>,
    /// Their identities at providers, sorted by provider name.
    pub(super) identities: Vec<(ProviderName, ExternalIdentity)>,
    /// A keyed digest of all fields except the last sign-in, which changes daily.
    pub(super) fingerprint: [u8; 32],
}

impl Candidate {
    /// Their id in the other system.
    pub const fn legacy_id(&self) -> &LegacyId {
        &self.legacy_id
    }

    /// Their roles after the import.
    pub const fn roles(&self) -> Roles {
        self.roles
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({}, …)", self.legacy_id)
    }
}

impl Imports {
    /// Judges one person by their row. A pure computation without the store.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, user: &LegacyUser) -> Result<Candidate, Refusal> {
        if !user.is_verified {
            return Err(Refusal::NotVerified);
        }
        let now = self.ports.clock.now();
        let profile = profile_of(user)?;
        let mut candidate = Candidate {
            legacy_id: user.id.clone(),
            identifier: identifier_of(user)?,
            password: self.password_of(user)?,
            roles: roles_of(user)?,
            suspended: !user.is_active,
            wallet: wallet_of(user, &profile)?,
            profile,
            joined: joined_of(user, now)?,
            last_login: user.last_login,
            identities: self.identities_of(user)?,
            fingerprint: [0; 32],
        };
        candidate.fingerprint = self.fingerprint(&candidate, user.date_joined);
        Ok(candidate)
    }

    fn password_of(&self, user: &LegacyUser) -> Result<Option<PasswordHash>, Refusal> {
        let Some(stored) = &user.password else {
            return Ok(None);
        };
        self.ports
            .hashes
            .take(stored.expose_secret())
            .map_err(Refusal::Password)
    }

    /// At most one identity per provider.
    fn identities_of(
        &self,
        user: &LegacyUser,
    ) -> Result<Vec<(ProviderName, ExternalIdentity)>, Refusal> {
        let mut identities = BTreeMap::new();
        for (name, subject) in &user.identities {
            let name = ProviderName::parse(name).map_err(|_| Refusal::UnknownProvider)?;
            let issuer = self.ports.issuers.get(&name);
            let issuer = issuer.ok_or(Refusal::UnknownProvider)?;
            let identity = ExternalIdentity::new(issuer, subject.trim());
            let identity = identity.ok_or(Refusal::Subject)?;
            if identities.insert(name, identity).is_some() {
                return Err(Refusal::SeveralIdentities);
            }
        }
        Ok(identities.into_iter().collect())
    }

    /// Covers the parsed values, not the line: field order and white space do not matter.
    fn fingerprint(&self, candidate: &Candidate, joined: Option<OffsetDateTime>) -> [u8; 32] {
        let told = (
            candidate.identifier.to_text(),
            candidate.password.as_ref().map(PasswordHash::as_str),
            candidate.roles,
            candidate.suspended,
            &candidate.profile,
            candidate.wallet,
            joined.map(OffsetDateTime::unix_timestamp),
        );
        let mut told = Zeroizing::new(serde_json::to_vec(&told).unwrap_or_default());
        // Without identities, the digest stays the same as in releases before identities existed.
        if !candidate.identities.is_empty() {
            told.extend(serde_json::to_vec(&candidate.identities).unwrap_or_default());
        }
        self.ports.vault.lasting_fingerprint(&told)
    }
}

fn present(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn identifier_of(user: &LegacyUser) -> Result<Identifier, Refusal> {
    let email = |text| {
        let address = EmailAddress::parse(text).map_err(Refusal::Email)?;
        Ok(Identifier::Email(address))
    };
    // An unknown country was already refused with the profile.
    let country = present(user.country.as_ref()).and_then(country::find);
    let phone = |text| {
        let number = PhoneNumber::parse_in(text, country).map_err(Refusal::Phone)?;
        Ok(Identifier::Phone(number))
    };
    let (address, number) = (present(user.email.as_ref()), present(user.phone.as_ref()));
    match (user.identifier, address, number) {
        (Some(SignUpMethod::Email) | None, Some(text), None)
        | (Some(SignUpMethod::Email), Some(text), Some(_)) => email(text),
        (Some(SignUpMethod::Phone) | None, None, Some(text))
        | (Some(SignUpMethod::Phone), Some(_), Some(text)) => phone(text),
        (None, Some(_), Some(_)) => Err(Refusal::AmbiguousIdentifier),
        _ => Err(Refusal::NoIdentifier),
    }
}

/// A superuser becomes an admin in addition to any other role.
fn roles_of(user: &LegacyUser) -> Result<Roles, Refusal> {
    let role = match present(user.role.as_ref()) {
        Some(name) => Some(name.parse::<Role>().map_err(|_| Refusal::UnknownRole)?),
        None => None,
    };
    let is_staff_role = role.is_some_and(Role::is_staff);
    if is_staff_role && !user.is_staff && !user.is_superuser {
        return Err(Refusal::RoleWithoutStaff);
    }
    if user.is_staff && !is_staff_role && !user.is_superuser {
        return Err(Refusal::StaffWithoutRole);
    }
    let admin = user.is_superuser.then_some(Role::Admin);
    let roles: Roles = role.into_iter().chain(admin).collect();
    if roles.is_empty() {
        return Err(Refusal::NoRole);
    }
    Ok(roles)
}

fn profile_of(user: &LegacyUser) -> Result<Profile, Refusal> {
    let name = |field: &'static str, text: Option<&String>| {
        let parsed = present(text).map(DisplayName::parse).transpose();
        parsed.map_err(|reason| Refusal::Profile { field, reason })
    };
    let code = |field, text, parse: fn(&str) -> Result<String, InvalidText>| {
        let parsed = present(text).map(parse).transpose();
        parsed.map_err(|reason| Refusal::Profile { field, reason })
    };
    let first_name = name("first_name", user.first_name.as_ref())?;
    let last_name = name("last_name", user.last_name.as_ref())?;
    Ok(Profile {
        display_name: name("display_name", user.display_name.as_ref())?
            .or_else(|| full_name(first_name.as_ref(), last_name.as_ref())),
        first_name,
        last_name,
        country: code("country", user.country.as_ref(), Profile::parse_country)?,
        language: code("language", user.language.as_ref(), Profile::parse_language)?,
    })
}

/// As Django's `get_full_name`; `None` if it is longer than a name may be.
fn full_name(first: Option<&DisplayName>, last: Option<&DisplayName>) -> Option<DisplayName> {
    let names = [first, last];
    let names: Vec<&str> = names
        .into_iter()
        .flatten()
        .map(DisplayName::as_str)
        .collect();
    DisplayName::parse(&names.join(" ")).ok()
}

fn wallet_of(user: &LegacyUser, profile: &Profile) -> Result<Money, Refusal> {
    let currency: Option<Currency> = present(user.currency.as_ref())
        .map(|code| code.parse().map_err(|_| Refusal::Currency))
        .transpose()?;
    match (user.balance_minor.unwrap_or_default(), currency) {
        (..0, _) => Err(Refusal::NegativeBalance),
        (minor, Some(currency)) => Ok(Money { minor, currency }),
        (0, None) => Ok(Money::zero(profile.currency())),
        (_, None) => Err(Refusal::NoCurrency),
    }
}

fn joined_of(user: &LegacyUser, now: OffsetDateTime) -> Result<OffsetDateTime, Refusal> {
    let joined = user.date_joined.map_or(now, truncate_to_micros);
    if (OffsetDateTime::UNIX_EPOCH..=now).contains(&joined) {
        Ok(joined)
    } else {
        Err(Refusal::JoinedAtNoTime)
    }
}
