//! Roles and role sets.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Permission;

/// A person's role in the marketplace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Role {
    /// Buys goods.
    Client,
    /// Sells goods.
    Vendor,
    /// Staff: supports people with their accounts.
    Support,
    /// Staff: reviews the listings of vendors.
    Reviewer,
    /// Staff: assists vendors and clients with their transactions.
    Assistant,
    /// Staff: edits the content of the marketplace.
    Editor,
    /// Staff: sells the marketplace's own services.
    Sales,
    /// Staff: has every permission, including over other staff.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Client,
        Self::Vendor,
        Self::Support,
        Self::Reviewer,
        Self::Assistant,
        Self::Editor,
        Self::Sales,
        Self::Admin,
    ];

    /// The name in tokens, stores and the HTTP API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Vendor => "vendor",
            Self::Support => "support",
            Self::Reviewer => "reviewer",
            Self::Assistant => "assistant",
            Self::Editor => "editor",
            Self::Sales => "sales",
            Self::Admin => "admin",
        }
    }

    /// Whether the role works for the marketplace. Staff have shorter sessions and longer passwords.
    pub const fn is_staff(self) -> bool {
        !matches!(self, Self::Client | Self::Vendor)
    }

    /// The permissions of the role. Members need none for their own data.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Client | Self::Vendor => &[],
            Self::Support => &[
                Permission::UsersRead,
                Permission::UsersManage,
                Permission::AuditRead,
            ],
            Self::Reviewer | Self::Assistant | Self::Editor | Self::Sales => {
                &[Permission::UsersRead]
            }
            Self::Admin => &Permission::ALL,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such role")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

/// A set of roles with a fixed order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Roles(u8);

impl Roles {
    /// Whether the set contains `role`.
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Adds `role` to the set.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | (1 << role as u8))
    }

    /// The roles, least powerful first.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL
            .into_iter()
            .filter(move |role| self.contains(*role))
    }

    /// Whether any role is a staff role.
    pub fn is_staff(self) -> bool {
        self.iter().any(Role::is_staff)
    }

    /// Whether any role grants `permission`.
    pub fn allow(self, permission: Permission) -> bool {
        self.iter()
            .any(|role| role.permissions().contains(&permission))
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self::default().with(role)
    }
}
impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::default(), Self::with)
    }
}
impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
/// Comma-separated names, the form used in stores.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, role) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            f.write_str(role.as_str())?;
        }
        Ok(())
    }
}
impl FromStr for Roles {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .filter(|name| !name.is_empty())
            .map(str::parse)
            .collect()
    }
}
impl Serialize for Roles {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Role>::deserialize(deserializer).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_roles_survives_the_store() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        let set = Roles::from_iter([Role::Admin, Role::Client]);
        assert_eq!(set.to_string(), "client,admin");
        assert_eq!("client,admin".parse(), Ok(set));
        assert_eq!("".parse(), Ok(Roles::default()));
        assert_eq!("client,root".parse::<Roles>(), Err(UnknownRole));
    }

    #[test]
    fn members_hold_no_permission_and_admins_hold_all() {
        for permission in Permission::ALL {
            assert!(
                !Roles::from(Role::Client)
                    .with(Role::Vendor)
                    .allow(permission)
            );
            assert!(Roles::from(Role::Admin).allow(permission));
        }
        assert!(!Roles::from(Role::Support).allow(Permission::RolesManage));
    }
}
