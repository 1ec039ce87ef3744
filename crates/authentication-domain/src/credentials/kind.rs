//! The kinds of credentials beside the password.

use std::borrow::Cow;

use crate::federation::ProviderName;

/// A kind of credential, as security notices to its owner name it.
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
    /// Sign-in with another provider.
    Provider(ProviderName),
}

/// The prefix of stored provider names.
const PROVIDER: &str = "provider:";

impl CredentialKind {
    /// Every kind except providers beside Google, which the configuration names.
    pub const ALL: [Self; 4] = [Self::Totp, Self::Passkey, Self::RecoveryCodes, Self::Google];

    /// The kind for a linked account at this provider.
    pub fn sign_in_with(provider: ProviderName) -> Self {
        if provider.is_google() {
            Self::Google
        } else {
            Self::Provider(provider)
        }
    }

    /// The name used in templates.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCodes => "recovery_codes",
            Self::Google => "google",
            Self::Provider(_) => "provider",
        }
    }

    /// The name used in stores.
    pub fn stored(self) -> Cow<'static, str> {
        match self {
            Self::Provider(name) => format!("{PROVIDER}{name}").into(),
            other => other.as_str().into(),
        }
    }

    /// Parses a name read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix(PROVIDER) {
            Some(provider) => ProviderName::parse(provider).ok().map(Self::Provider),
            None => Self::ALL.into_iter().find(|kind| kind.as_str() == name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_survives_the_store() {
        let entra = ProviderName::parse("entra").unwrap();
        let other = CredentialKind::sign_in_with(entra);
        for kind in CredentialKind::ALL.into_iter().chain([other]) {
            assert_eq!(CredentialKind::from_name(&kind.stored()), Some(kind));
        }
        assert_eq!(CredentialKind::from_name("provider"), None);
        assert_eq!(other.stored(), "provider:entra");
        let google = CredentialKind::sign_in_with(ProviderName::GOOGLE);
        assert_eq!(google, CredentialKind::Google);
    }
}
