//! `mfa.…`: second factors.

use authentication_domain::mfa::SecondFactorRules;
use common::access::Role;
use time::Duration;

use super::{kinds, reader::Reader};

/// Who needs a second factor, and for how long one proof holds.
#[derive(Debug, Clone)]
pub struct MfaSettings {
    /// `mfa.required_of`: roles that need a second factor beside those of staff, which always do. Default:
    /// none; `vendor` is all there is.
    pub required_of: Vec<Role>,
    /// `mfa.remember_device_days`: how long a device that was told to be remembered skips the second factor.
    /// Default 30, which is also the most.
    pub remember_device_days: u16,
    /// `mfa.recent_sign_in_minutes`: how long ago a sign-in may be to count as recent. Default 10.
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

    /// The numbers of the policy, with what is configured.
    pub(crate) fn rules(&self) -> SecondFactorRules {
        SecondFactorRules {
            required_of_vendors: self.required_of.contains(&Role::Vendor),
            remember_for: Duration::days(self.remember_device_days.into()),
            recent_sign_in: Duration::minutes(self.recent_sign_in_minutes.into()),
            ..SecondFactorRules::default()
        }
    }
}
