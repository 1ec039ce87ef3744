//! `protection.…`: limits by address.

use ipnet::IpNet;

use super::{kinds, reader::Reader};

/// Exceptions from the limits.
#[derive(Debug, Clone)]
pub struct ProtectionSettings {
    /// `protection.exempt_networks`: networks that the limits by address do not count (load tests).
    /// Default none; refused in production mode. Lockout and tries are never lifted.
    pub exempt_networks: Vec<IpNet>,
}

impl ProtectionSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            exempt_networks: reader
                .setting("protection.exempt_networks", kinds::list(kinds::network))
                .unwrap_or_default(),
        }
    }
}
