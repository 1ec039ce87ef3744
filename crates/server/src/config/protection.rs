//! `protection.…`: limits by address, changes of identifiers, silent numbers.

use ipnet::IpNet;

use super::{kinds, reader::Reader};

/// Limits, exceptions from them, and how long what was said about an identifier counts.
#[derive(Debug, Clone)]
pub struct ProtectionSettings {
    /// `protection.exempt_networks`: networks that the limits by address do not count (load tests).
    /// Default none; refused in production mode. Lockout and tries are never lifted.
    pub exempt_networks: Vec<IpNet>,
    /// `protection.identifier_undo_hours`: how long a change of identifier can be taken back, and nobody else can
    /// have the one before. Default 72.
    pub identifier_undo_hours: u32,
    /// `protection.phone_reproof_days`: a number to which no code was proven for this long opens its account only
    /// with something else beside it. Default 180.
    pub phone_reproof_days: u32,
    /// `protection.factor_reset_hours`: how long the owner of an account has to object before all second factors
    /// are taken off it. Default 72.
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
