//! The proofs of a session, and how tokens describe them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A method of authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// A password.
    Password,
    /// A one-time code by mail or SMS.
    OneTimeCode,
    /// A code from an authenticator app (RFC 6238).
    Totp,
    /// A recovery code, shown when a second factor was set up.
    RecoveryCode,
    /// A passkey with user verification: a possession, unlocked by a PIN or a biometric trait.
    Passkey,
    /// An ID token of any `OpenID` provider.
    #[serde(rename = "google")]
    Federated,
}

impl AuthenticationMethod {
    /// Every method.
    pub const ALL: [Self; 6] = [
        Self::Password,
        Self::OneTimeCode,
        Self::Totp,
        Self::RecoveryCode,
        Self::Passkey,
        Self::Federated,
    ];

    /// The name used in stores. The name of [`Self::Federated`] dates from the time of a single provider.
    /// Other releases that run at the same time read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::OneTimeCode => "otp",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey => "passkey",
            Self::Federated => "google",
        }
    }

    /// Whether the method alone counts as two factors. A passkey with user verification does.
    pub const fn is_two_factors(self) -> bool {
        matches!(self, Self::Passkey)
    }

    /// Parses a name read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

/// A single proof and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proof {
    /// The method used.
    pub method: AuthenticationMethod,
    /// When it was used.
    pub at: OffsetDateTime,
}

/// All proofs of a session: the latest one of each factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proofs {
    /// The first factor.
    pub first: Proof,
    /// The second factor, if one was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Proof>,
}

impl Proofs {
    /// Proofs of a single factor.
    pub const fn only(first: AuthenticationMethod, at: OffsetDateTime) -> Self {
        let first = Proof { method: first, at };
        Self {
            first,
            second: None,
        }
    }

    /// Adds a second factor.
    #[must_use]
    pub const fn and(self, second: AuthenticationMethod, at: OffsetDateTime) -> Self {
        let second = Proof { method: second, at };
        Self {
            second: Some(second),
            ..self
        }
    }

    /// The proofs after a renewal in the session: renewed factors get the new time, the other keeps its own.
    /// A passkey as first factor was also the second one, and remains so.
    #[must_use]
    pub fn renewed(self, renewal: Renewal, at: OffsetDateTime) -> Self {
        let of = |method| Proof { method, at };
        let was_both = self.first.method.is_two_factors().then_some(self.first);
        let second = self.second.or(was_both);
        Self {
            first: renewal.first.map_or(self.first, of),
            second: renewal.second.map(of).or(second),
        }
    }

    /// When the second factor was last proven. A passkey with user verification is both factors.
    pub fn second_at(self) -> Option<OffsetDateTime> {
        let by_itself = self.first.method.is_two_factors().then_some(self.first.at);
        self.second.map(|second| second.at).max(by_itself)
    }

    /// When an enrolled second factor was last proven: an authenticator app, a recovery code or a passkey. A
    /// mailed code completes a sign-in but was never enrolled, so it does not make the sign-in recent.
    pub fn enrolled_second_at(self) -> Option<OffsetDateTime> {
        let is_enrolled = |second: &Proof| second.method != AuthenticationMethod::OneTimeCode;
        let second = self.second.filter(is_enrolled);
        Self { second, ..self }.second_at()
    }

    /// Whether two different kinds of factors were proven (NIST SP 800-63B-4 §2.2). A passkey with user
    /// verification counts as two.
    pub const fn is_multi_factor(self) -> bool {
        self.first.method.is_two_factors() || self.second.is_some()
    }

    /// The time since which [`Self::references`] holds: the `auth_time` of tokens. With two factors it is the
    /// time of the older proof, so that no token claims both factors for a moment when only one was proven.
    pub fn authenticated_at(self) -> OffsetDateTime {
        let first = self.first.at;
        self.second_at().map_or(first, |second| second.min(first))
    }

    /// The `amr` values of these proofs.
    pub const fn references(self) -> MethodReferences {
        let first = MethodReferences::of(self.first.method);
        let both = match self.second {
            Some(second) => first.and(MethodReferences::of(second.method)),
            None => first,
        };
        if self.is_multi_factor() {
            both.and(MethodReferences::MFA)
        } else {
            both
        }
    }
}

/// The factors that a proof within a session renews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// The method that renews the first factor.
    pub first: Option<AuthenticationMethod>,
    /// The method that renews the second factor.
    pub second: Option<AuthenticationMethod>,
}

impl Renewal {
    /// The factors that this method renews: the first, the second or, for a passkey, both.
    pub const fn by(method: AuthenticationMethod) -> Self {
        let (first, second) = match method {
            AuthenticationMethod::Password | AuthenticationMethod::Federated => {
                (Some(method), None)
            }
            AuthenticationMethod::Totp
            | AuthenticationMethod::RecoveryCode
            | AuthenticationMethod::OneTimeCode => (None, Some(method)),
            AuthenticationMethod::Passkey => (Some(method), Some(method)),
        };
        Self { first, second }
    }
}

/// The factors that must be proven (again) for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MissingProofs {
    /// The first factor.
    pub first: bool,
    /// A second factor.
    pub second: bool,
}

impl MissingProofs {
    /// Whether nothing is missing.
    pub const fn is_empty(self) -> bool {
        !self.first && !self.second
    }
}

/// The `amr` claim: a set of the RFC 8176 values that this service uses, each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MethodReferences(u8);

impl MethodReferences {
    /// In the order of the claim; `mfa` is last.
    const VALUES: [&'static str; 5] = ["pwd", "otp", "pop", "fed", "mfa"];
    const MFA: Self = Self(1 << 4);

    /// The RFC 8176 §2 value of a method, where there is one. A passkey proves possession of a key, and a
    /// recovery code is a one-time password. `fed`, for a federated sign-in, is not in RFC 8176; other
    /// services use it.
    const fn of(method: AuthenticationMethod) -> Self {
        Self(match method {
            AuthenticationMethod::Password => 1,
            AuthenticationMethod::OneTimeCode
            | AuthenticationMethod::Totp
            | AuthenticationMethod::RecoveryCode => 1 << 1,
            AuthenticationMethod::Passkey => 1 << 2,
            AuthenticationMethod::Federated => 1 << 3,
        })
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The values in the order of the claim.
    pub fn values(self) -> impl Iterator<Item = &'static str> {
        let bits = 0..;
        bits.zip(Self::VALUES)
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, value)| value)
    }

    /// Parses the claim of a token from this service: known values in order, at least one beside `mfa`, and
    /// `mfa` if there are at least two others.
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

    /// The `acr` claim: `2` for more than one factor, otherwise `1`.
    pub const fn acr(self) -> &'static str {
        if self.0 & Self::MFA.0 == 0 { "1" } else { "2" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

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

    const AT: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const LATER: OffsetDateTime = datetime!(2026-01-01 01:00 UTC);

    const fn only(first: AuthenticationMethod) -> Proofs {
        Proofs::only(first, AT)
    }

    const fn both(first: AuthenticationMethod, second: AuthenticationMethod) -> Proofs {
        Proofs::only(first, AT).and(second, AT)
    }

    /// Each factor keeps its own time, and a token claims no more than both proofs support.
    #[test]
    fn a_proof_renews_its_own_factor_alone() {
        use AuthenticationMethod::{Passkey, Password, RecoveryCode, Totp};
        for (before, method, first_at, second_at, amr) in [
            (only(Password), Password, LATER, None, &["pwd"][..]),
            (
                only(Password),
                Totp,
                AT,
                Some(LATER),
                &["pwd", "otp", "mfa"],
            ),
            (
                both(Password, Totp),
                Password,
                LATER,
                Some(AT),
                &["pwd", "otp", "mfa"],
            ),
            (
                both(Password, Totp),
                RecoveryCode,
                AT,
                Some(LATER),
                &["pwd", "otp", "mfa"],
            ),
            (
                both(Password, Totp),
                Passkey,
                LATER,
                Some(LATER),
                &["pop", "mfa"],
            ),
            (
                only(Passkey),
                Password,
                LATER,
                Some(AT),
                &["pwd", "pop", "mfa"],
            ),
            (only(Passkey), Passkey, LATER, Some(LATER), &["pop", "mfa"]),
        ] {
            let after = before.renewed(Renewal::by(method), LATER);
            let case = format!("{before:?}, then {method:?}");
            assert_eq!(
                (after.first.at, after.second_at()),
                (first_at, second_at),
                "{case}"
            );
            let values: Vec<_> = after.references().values().collect();
            assert_eq!(values, amr, "{case}");
            let since = second_at.map_or(first_at, |second| second.min(first_at));
            assert_eq!(after.authenticated_at(), since, "{case}");
        }
    }

    #[test]
    fn two_factors_are_told_from_one() {
        use AuthenticationMethod::{OneTimeCode, Passkey, Password, Totp};
        for (proofs, acr, amr) in [
            (only(Password), "1", &["pwd"][..]),
            (only(OneTimeCode), "1", &["otp"]),
            (only(Passkey), "2", &["pop", "mfa"]),
            (both(Password, Totp), "2", &["pwd", "otp", "mfa"]),
            (both(OneTimeCode, Totp), "2", &["otp", "mfa"]),
            (both(Password, Passkey), "2", &["pwd", "pop", "mfa"]),
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
