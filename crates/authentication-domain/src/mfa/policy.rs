//! The state machine of a sign-in: what comes after the first factor.
//!
//! ```text
//!                         no second factor set up, or a passkey,
//!                         or a device remembered (members)
//!            first factor ────────────────────────────────────▶ Complete
//!                 │                                                ▲
//!                 │ a second factor is set up                      │ one of them is proven, once,
//!                 ▼                                                │ within the tries and the time
//!            SecondFactor(which may be asked for) ─────────────────┘
//! ```

use common::access::{AuthenticationMethod, Proofs, Role, Roles};
use time::Duration;

use super::{SecondFactor, SecondFactors};
use crate::accounts::SignUpMethod;

/// Limits and options for second factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondFactorRules {
    /// Whether vendors must have a second factor. Staff always must.
    pub required_of_vendors: bool,
    /// How long a remembered device skips the second factor.
    pub remember_for: Duration,
    /// TTL of a sign-in that waits for its second factor.
    pub pending_lifetime: Duration,
    /// Wrong answers that end a pending sign-in.
    pub tries_per_sign_in: u32,
    /// Consecutive wrong authenticator-app codes, over any time, after which the app has to be set up again
    /// (NIST SP 800-63B-4 §3.2.2: no more than 100).
    pub most_failures_in_a_row: u32,
    /// Maximum age of a sign-in that counts as recent.
    pub recent_sign_in: Duration,
}

impl Default for SecondFactorRules {
    fn default() -> Self {
        Self {
            required_of_vendors: false,
            remember_for: Duration::days(30),
            pending_lifetime: Duration::minutes(10),
            tries_per_sign_in: 5,
            most_failures_in_a_row: 100,
            recent_sign_in: Duration::minutes(10),
        }
    }
}

/// A sign-in whose first factor is proven.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// The first factor.
    pub first: AuthenticationMethod,
    /// The kind of identifier over which the first factor was delivered, if any: it was a code sent there, or
    /// a password set with such a code.
    pub came_over: Option<SignUpMethod>,
    /// Whether the sign-in comes from a known device that is still remembered.
    pub remembered: bool,
}

/// The next step of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// The session starts.
    Complete,
    /// One of these factors has to be proven first.
    SecondFactor(Vec<SecondFactor>),
}

impl SecondFactorRules {
    /// The step after the first factor, for an account with these roles, this kind of identifier and these
    /// factors.
    pub fn next_step(
        &self,
        begun: Begun,
        roles: Roles,
        identifier: SignUpMethod,
        factors: SecondFactors,
    ) -> NextStep {
        let complete = begun.first.is_two_factors()
            || !factors.is_enabled()
            || (begun.remembered && !roles.is_staff());
        if complete {
            return NextStep::Complete;
        }
        let may_be_sent = !roles.is_staff() && begun.came_over != Some(identifier);
        let asked = SecondFactor::ALL.into_iter().filter(|factor| match factor {
            SecondFactor::OneTimeCode => may_be_sent,
            other => factors.shown().any(|shown| shown == *other),
        });
        NextStep::SecondFactor(asked.collect())
    }

    /// Whether these roles require a second factor.
    pub fn demands(&self, roles: Roles) -> bool {
        roles.is_staff() || (self.required_of_vendors && roles.contains(Role::Vendor))
    }

    /// The roles that are effective with these proofs. Roles that require a second factor become effective
    /// with it.
    pub fn counting(&self, roles: Roles, proofs: Proofs) -> Roles {
        let counts = |role: &Role| !self.is_lacking((*role).into(), proofs);
        roles.iter().filter(counts).collect()
    }

    /// Whether a session with these proofs lacks the second factor that its roles require.
    pub fn is_lacking(&self, roles: Roles, proofs: Proofs) -> bool {
        self.demands(roles) && !proofs.is_multi_factor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AuthenticationMethod::{Federated, OneTimeCode, Passkey, Password};
    use proptest::prelude::*;
    use time::OffsetDateTime;

    const TOTP: SecondFactors = SecondFactors {
        totp: true,
        passkeys: false,
        recovery_codes: true,
    };

    fn next(begun: Begun, role: Role, factors: SecondFactors) -> NextStep {
        SecondFactorRules::default().next_step(begun, role.into(), SignUpMethod::Email, factors)
    }

    const fn begun(first: AuthenticationMethod) -> Begun {
        Begun {
            first,
            came_over: None,
            remembered: false,
        }
    }

    #[test]
    fn without_a_second_factor_the_first_is_enough() {
        for first in [Password, OneTimeCode, Passkey, Federated] {
            let step = next(begun(first), Role::Client, SecondFactors::default());
            assert_eq!(step, NextStep::Complete);
        }
        let codes_alone = SecondFactors {
            recovery_codes: true,
            ..SecondFactors::default()
        };
        let step = next(begun(Password), Role::Client, codes_alone);
        assert_eq!(step, NextStep::Complete);
    }

    #[test]
    fn a_code_is_never_sent_over_the_way_that_the_first_factor_came() {
        use SecondFactor::{OneTimeCode as Code, RecoveryCode, Totp};
        let step = next(begun(Password), Role::Client, TOTP);
        assert_eq!(step, NextStep::SecondFactor(vec![Totp, Code, RecoveryCode]));
        let by_mail = Begun {
            came_over: Some(SignUpMethod::Email),
            ..begun(OneTimeCode)
        };
        let step = next(by_mail, Role::Client, TOTP);
        assert_eq!(step, NextStep::SecondFactor(vec![Totp, RecoveryCode]));
    }

    #[test]
    fn staff_are_sent_no_codes_and_their_devices_are_not_remembered() {
        use SecondFactor::{RecoveryCode, Totp};
        let remembered = Begun {
            remembered: true,
            ..begun(Password)
        };
        assert_eq!(next(remembered, Role::Client, TOTP), NextStep::Complete);
        let step = next(remembered, Role::Support, TOTP);
        assert_eq!(step, NextStep::SecondFactor(vec![Totp, RecoveryCode]));
    }

    #[test]
    fn roles_that_need_a_second_factor_lack_it_until_it_is_proven() {
        let rules = SecondFactorRules::default();
        let asks_vendors = SecondFactorRules {
            required_of_vendors: true,
            ..rules
        };
        let one = Proofs::only(Password, OffsetDateTime::UNIX_EPOCH);
        let two = one.and(AuthenticationMethod::Totp, OffsetDateTime::UNIX_EPOCH);
        for (rules, role, lacking) in [
            (rules, Role::Client, false),
            (rules, Role::Vendor, false),
            (rules, Role::Support, true),
            (asks_vendors, Role::Vendor, true),
            (asks_vendors, Role::Client, false),
        ] {
            assert_eq!(rules.is_lacking(role.into(), one), lacking, "{role}");
            assert!(!rules.is_lacking(role.into(), two));
            let both = Roles::from(Role::Client).with(role);
            let left = if lacking { Role::Client.into() } else { both };
            assert_eq!(rules.counting(both, one), left, "{role}");
            assert_eq!(rules.counting(both, two), both, "{role}");
        }
    }

    proptest! {
        /// With a second factor set up, only a passkey or a remembered device of a member completes a sign-in
        /// without it.
        #[test]
        fn nothing_else_completes_a_sign_in(
            first in prop::sample::select(AuthenticationMethod::ALL.to_vec()),
            role in prop::sample::select(Role::ALL.to_vec()),
            remembered: bool, totp: bool, passkeys: bool, recovery_codes: bool,
        ) {
            let factors = SecondFactors { totp, passkeys, recovery_codes };
            let step = next(Begun { first, came_over: None, remembered }, role, factors);
            let may_pass = first == Passkey
                || !(totp || passkeys)
                || (remembered && !role.is_staff());
            prop_assert_eq!(step == NextStep::Complete, may_pass);
            if let NextStep::SecondFactor(asked) = step {
                prop_assert!(!asked.is_empty());
                prop_assert!(asked.contains(&SecondFactor::Totp) == totp);
                prop_assert!(asked.contains(&SecondFactor::WebAuthn) == passkeys);
                prop_assert!(asked.contains(&SecondFactor::RecoveryCode) == recovery_codes);
            }
        }
    }
}
