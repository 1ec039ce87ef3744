//! What a person proves who they are with, beside the password.

/// A way of proving who one is, as its owner is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// An authenticator app.
    Totp,
    /// A passkey.
    Passkey,
    /// A set of recovery codes.
    RecoveryCodes,
    /// Sign-in with Google.
    Google,
}

impl CredentialKind {
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::Totp, Self::Passkey, Self::RecoveryCodes, Self::Google];

    /// The name in stores and to templates.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCodes => "recovery_codes",
            Self::Google => "google",
        }
    }

    /// As read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_survives_the_store() {
        for kind in CredentialKind::ALL {
            assert_eq!(CredentialKind::from_name(kind.as_str()), Some(kind));
        }
    }
}
