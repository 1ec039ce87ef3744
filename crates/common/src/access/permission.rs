//! The permissions of staff.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One permission. The list is closed: a permission that the code does not check cannot be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// View accounts.
    #[serde(rename = "users.read")]
    UsersRead,
    /// Suspend, reactivate and unlock accounts, end sessions, force a password reset.
    #[serde(rename = "users.manage")]
    UsersManage,
    /// Merge two accounts of one person.
    #[serde(rename = "users.merge")]
    UsersMerge,
    /// Grant and revoke roles.
    #[serde(rename = "roles.manage")]
    RolesManage,
    /// Invite staff.
    #[serde(rename = "staff.manage")]
    StaffManage,
    /// Adjust the balance of a wallet manually.
    #[serde(rename = "wallet.adjust")]
    WalletAdjust,
    /// Read the audit log.
    #[serde(rename = "audit.read")]
    AuditRead,
    /// Read the API log.
    #[serde(rename = "logs.read")]
    LogsRead,
    /// Read the risk scores of sign-ins.
    #[serde(rename = "risk.read")]
    RiskRead,
}

impl Permission {
    /// Every permission there is.
    pub const ALL: [Self; 9] = [
        Self::UsersRead,
        Self::UsersManage,
        Self::UsersMerge,
        Self::RolesManage,
        Self::StaffManage,
        Self::WalletAdjust,
        Self::AuditRead,
        Self::LogsRead,
        Self::RiskRead,
    ];

    /// The name in documents and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsersRead => "users.read",
            Self::UsersManage => "users.manage",
            Self::UsersMerge => "users.merge",
            Self::RolesManage => "roles.manage",
            Self::StaffManage => "staff.manage",
            Self::WalletAdjust => "wallet.adjust",
            Self::AuditRead => "audit.read",
            Self::LogsRead => "logs.read",
            Self::RiskRead => "risk.read",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names appear in tokens and in responses of other services.
    #[test]
    fn every_permission_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> =
            Permission::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), Permission::ALL.len());
        assert!(names.iter().all(|name| name.split('.').count() == 2));
    }
}
