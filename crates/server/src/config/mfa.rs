//! `mfa.…`: second factors.

use authentication_domain::mfa::SecondFactorRules;
use common::access::Role;
use time::Duration;

use super::{kinds, reader::Reader};

/// The accounts that require a second factor, and how long a proof stays valid.
#[derive(Debug, Clone)]
pub struct MfaSettings {
    /// `mfa.required_of`: roles that require a second factor besides staff roles, which always do. Default none;
    /// `vendor` is the only possible one.
    pub required_of: Vec<Role>,
    /// `mfa.remember_device_days`: how long a remembered device skips the second factor. Default 30, which is also
    /// the maximum.
    pub remember_device_days: u16,
    /// `mfa.recent_sign_in_minutes`: the age up to which a sign-in counts as recent. Default 10.
    pub recent_sign_in_minutes: u16,
}

impl MfaSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        const ROLES: &[(&str, Role)] = &[("vendor", Role::Vendor)];
        Self {
            required_of: reader
                .setting("mfa.required_of", kinds::list(kinds::choice(ROLES)))
                .unwrap_or_default(),
            remember_device_days: reader
                .setting("mfa.remember_device_days", kinds::number(0..=30))
                .unwrap_or(30),
            recent_sign_in_minutes: reader
                .setting("mfa.recent_sign_in_minutes", kinds::number(1..=60))
                .unwrap_or(10),
        }
    }

    /// The numbers of the policy, with the configured values.
    pub(crate) fn rules(&self) -> SecondFactorRules {
        SecondFactorRules {
            required_of_vendors: self.required_of.contains(&Role::Vendor),
            remember_for: Duration::days(self.remember_device_days.into()),
            recent_sign_in: Duration::minutes(self.recent_sign_in_minutes.into()),
            ..SecondFactorRules::default()
        }
    }
}
