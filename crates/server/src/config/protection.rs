//! `protection.…`: limits by address, changes of identifiers, unused phone numbers.

use ipnet::IpNet;

use super::{kinds, reader::Reader};

/// Limits, their exceptions, and how long proofs of an identifier stay valid.
#[derive(Debug, Clone)]
pub struct ProtectionSettings {
    /// `protection.exempt_networks`: networks without limits by address (load tests). Default none; refused in
    /// production mode. Lockout and limits of attempts always apply.
    pub exempt_networks: Vec<IpNet>,
    /// `protection.identifier_undo_hours`: how long a change of identifier can be undone, and the previous
    /// identifier stays reserved. Default 72.
    pub identifier_undo_hours: u32,
    /// `protection.phone_reproof_days`: a phone number that was not verified by a code for this long opens its
    /// account only together with another proof. Default 180.
    pub phone_reproof_days: u32,
    /// `protection.factor_reset_hours`: how long the owner of an account can object before all its second factors
    /// are removed. Default 72.
    pub factor_reset_hours: u32,
}

impl ProtectionSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            exempt_networks: reader
                .setting("protection.exempt_networks", kinds::list(kinds::network))
                .unwrap_or_default(),
            identifier_undo_hours: reader
                .setting("protection.identifier_undo_hours", kinds::number(24..=720))
                .unwrap_or(72),
            phone_reproof_days: reader
                .setting("protection.phone_reproof_days", kinds::number(1..=3_650))
                .unwrap_or(180),
            factor_reset_hours: reader
                .setting("protection.factor_reset_hours", kinds::number(24..=720))
                .unwrap_or(72),
        }
    }
}
