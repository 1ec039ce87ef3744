//! What a person proved when they signed in, and what a token says of it.

use serde::{Deserialize, Serialize};

/// How a person proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// A password.
    Password,
    /// A one-time code by mail or SMS.
    OneTimeCode,
    /// A code of an authenticator app (RFC 6238).
    Totp,
    /// One of the codes that were shown when a second factor was set up.
    RecoveryCode,
    /// A passkey, with user verification: something one has, opened by something one knows or is.
    Passkey,
    /// An ID token of an `OpenID` provider.
    Google,
}

impl AuthenticationMethod {
    /// Every method there is.
    pub const ALL: [Self; 6] = [
        Self::Password,
        Self::OneTimeCode,
        Self::Totp,
        Self::RecoveryCode,
        Self::Passkey,
        Self::Google,
    ];

    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::OneTimeCode => "otp",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
            Self::Google => "google",
        }
    }

    /// As read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

/// All that a person proved when they signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proofs {
    /// What they began with.
    pub first: AuthenticationMethod,
    /// What they were asked for after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<AuthenticationMethod>,
}

impl Proofs {
    /// One factor.
    pub const fn only(first: AuthenticationMethod) -> Self {
        Self {
            first,
            second: None,
        }
    }

    /// Two factors, one after the other.
    pub const fn both(first: AuthenticationMethod, second: AuthenticationMethod) -> Self {
        Self {
            first,
            second: Some(second),
        }
    }

    /// Whether two different kinds of things were proven (NIST SP 800-63B-4 §2.2). A passkey with user
    /// verification is two by itself.
    pub const fn is_multi_factor(self) -> bool {
        matches!(self.first, AuthenticationMethod::Passkey) || self.second.is_some()
    }

    /// What the tokens say of it.
    pub const fn references(self) -> MethodReferences {
        let first = MethodReferences::of(self.first);
        let both = match self.second {
            Some(second) => first.and(MethodReferences::of(second)),
            None => first,
        };
        if self.is_multi_factor() {
            both.and(MethodReferences::MFA)
        } else {
            both
        }
    }
}

/// The `amr` claim: a set of the values of RFC 8176 that this service uses, each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MethodReferences(u8);

impl MethodReferences {
    /// In the order in which a token names them; `mfa` is last.
    const VALUES: [&'static str; 5] = ["pwd", "otp", "pop", "fed", "mfa"];
    const MFA: Self = Self(1 << 4);

    /// RFC 8176 §2, where it has a value. A passkey proves possession of a key; a recovery code is a one-time
    /// password; `fed` is what other services say of a sign-in elsewhere.
    const fn of(method: AuthenticationMethod) -> Self {
        Self(match method {
            AuthenticationMethod::Password => 1,
            AuthenticationMethod::OneTimeCode
            | AuthenticationMethod::Totp
            | AuthenticationMethod::RecoveryCode => 1 << 1,
            AuthenticationMethod::Passkey => 1 << 2,
            AuthenticationMethod::Google => 1 << 3,
        })
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The values of the claim.
    pub fn values(self) -> impl Iterator<Item = &'static str> {
        let bits = 0..;
        bits.zip(Self::VALUES)
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, value)| value)
    }

    /// As a token of ours says it: known values, in our order, at least one beside `mfa`, and `mfa` where
    /// there are two.
    pub fn from_values<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut bits = 0;
        for value in values {
            let bit = Self::VALUES.iter().position(|known| *known == value)?;
            let bit = 1 << bit;
            if bit <= bits {
                return None;
            }
            bits |= bit;
        }
        let factors = (bits & !Self::MFA.0).count_ones();
        let is_one_of_ours = factors == 1 || (factors > 1 && bits & Self::MFA.0 != 0);
        is_one_of_ours.then_some(Self(bits))
    }

    /// `acr`: how sure the sign-in was, `2` for more than one factor.
    pub const fn acr(self) -> &'static str {
        if self.0 & Self::MFA.0 == 0 { "1" } else { "2" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_survives_the_store() {
        for method in AuthenticationMethod::ALL {
            assert_eq!(
                AuthenticationMethod::from_name(method.as_str()),
                Some(method)
            );
        }
        assert_eq!(AuthenticationMethod::from_name("face"), None);
    }

    #[test]
    fn two_factors_are_told_from_one() {
        use AuthenticationMethod::{OneTimeCode, Passkey, Password, Totp};
        for (proofs, acr, amr) in [
            (Proofs::only(Password), "1", &["pwd"][..]),
            (Proofs::only(OneTimeCode), "1", &["otp"]),
            (Proofs::only(Passkey), "2", &["pop", "mfa"]),
            (Proofs::both(Password, Totp), "2", &["pwd", "otp", "mfa"]),
            (Proofs::both(OneTimeCode, Totp), "2", &["otp", "mfa"]),
            (Proofs::both(Password, Passkey), "2", &["pwd", "pop", "mfa"]),
        ] {
            let references = proofs.references();
            assert_eq!(references.acr(), acr);
            assert_eq!(references.values().collect::<Vec<_>>(), amr);
            let read = MethodReferences::from_values(amr.iter().copied());
            assert_eq!(read, Some(references));
        }
    }

    #[test]
    fn what_no_token_of_ours_says_is_not_read() {
        for values in [
            &[][..],
            &["mfa"],
            &["face"],
            &["pwd", "pwd"],
            &["otp", "pwd"],
            &["pwd", "otp"],
            &["mfa", "pwd"],
        ] {
            let read = MethodReferences::from_values(values.iter().copied());
            assert_eq!(read, None, "{values:?}");
        }
    }
}
