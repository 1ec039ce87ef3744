//! The policy for new passwords.
//!
//! NIST SP 800-63B-4 §3.1.1.2 and OWASP ASVS 5.0 V6.2: minimum length, a blocklist, context words and texts
//! of the owner, and an estimate of the guesses needed. No composition rules, no forced change.
//!
//! The checks run in order of cost. [`PasswordPolicy::check`] is cheap and needs no owner.
//! [`PasswordPolicy::check_owner`] is cheap too. [`PasswordPolicy::check_strength`] judges a [`Strength`],
//! which is estimated last and on the pool that computes the hashes.

use common::access::Roles;

use super::{ContextWords, PlainPassword, Strength, blocklist};
use crate::accounts::Identifier;

/// The requirements for a new password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Minimum length for members, in characters.
    pub minimum_length: usize,
    /// Minimum length for staff, in characters.
    pub minimum_length_for_staff: usize,
    /// Minimum strength estimate.
    pub minimum_strength: Strength,
    /// Words that a password must not be built from.
    pub words: ContextWords,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: 8,
            minimum_length_for_staff: 15,
            minimum_strength: Strength::new(3),
            words: ContextWords::of_product(""),
        }
    }
}

/// Why a password was refused, worded to help the person choose a better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too few characters.
    #[error("use at least {minimum} characters")]
    TooShort {
        /// The minimum length that applies.
        minimum: usize,
    },
    /// On the list of common and breached passwords.
    #[error("this password is too common or has been leaked; choose another")]
    Common,
    /// An attacker would need few guesses.
    #[error("this password is easy to guess; add unrelated words or characters")]
    Guessable,
    /// Built from a name of the service or of a role.
    #[error("this password is based on the name of this service or of a role; choose another")]
    DerivedFromContext,
    /// Built from the person's own email address or phone number.
    #[error("this password is based on your email address or phone number; choose another")]
    DerivedFromIdentifier,
}

impl Weakness {
    /// The stable code in `errors[]`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password_too_short",
            Self::Common => "password_common",
            Self::Guessable => "password_guessable",
            Self::DerivedFromContext => "password_derived_from_context",
            Self::DerivedFromIdentifier => "password_derived_from_identifier",
        }
    }
}

impl PasswordPolicy {
    /// The checks that need no owner and little work.
    ///
    /// # Errors
    /// The first [`Weakness`] found.
    pub fn check(&self, password: &PlainPassword) -> Result<(), Weakness> {
        at_least(password, self.minimum_length)?;
        if blocklist::is_common(password.expose()) {
            return Err(Weakness::Common);
        }
        // A context word padded with a few characters is not a sufficient password.
        if self.words.make_up(password, &[], self.minimum_length) {
            return Err(Weakness::DerivedFromContext);
        }
        Ok(())
    }

    /// The additional checks once the owner and their roles are known.
    ///
    /// # Errors
    /// The first [`Weakness`] found.
    pub fn check_owner(
        &self,
        password: &PlainPassword,
        owner: &Identifier,
        roles: Roles,
    ) -> Result<(), Weakness> {
        if roles.is_staff() {
            at_least(password, self.minimum_length_for_staff)?;
        }
        let own = owner.password_context();
        if self.words.make_up(password, &own, self.minimum_length) {
            return Err(Weakness::DerivedFromIdentifier);
        }
        Ok(())
    }

    /// Texts that an attacker would try first for this person, for [`Strength::of`].
    pub fn guessed_first(&self, owner: &Identifier) -> Vec<String> {
        let own = owner.password_context();
        own.into_iter()
            .chain(self.words.iter().map(str::to_owned))
            .collect()
    }

    /// The final check, on the strength estimate.
    ///
    /// # Errors
    /// [`Weakness::Guessable`].
    pub fn check_strength(&self, strength: Strength) -> Result<(), Weakness> {
        if strength < self.minimum_strength {
            Err(Weakness::Guessable)
        } else {
            Ok(())
        }
    }
}

fn at_least(password: &PlainPassword, minimum: usize) -> Result<(), Weakness> {
    if password.length() < minimum {
        Err(Weakness::TooShort { minimum })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::access::Role;
    use secrecy::SecretString;

    fn password(text: &str) -> PlainPassword {
        PlainPassword::from_typed(&SecretString::from(text.to_owned())).unwrap()
    }

    /// Applies the whole policy in its usual order.
    fn whole(typed: &PlainPassword, owner: &Identifier, roles: Roles) -> Result<(), Weakness> {
        let policy = PasswordPolicy::default();
        policy.check(typed)?;
        policy.check_owner(typed, owner, roles)?;
        policy.check_strength(Strength::of(typed.expose(), &policy.guessed_first(owner)))
    }

    fn check(text: &str) -> Result<(), Weakness> {
        let ada = Identifier::parse("ada.lovelace@example.com").unwrap();
        whole(&password(text), &ada, Role::Client.into())
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(check("x7$kQ2!"), Err(Weakness::TooShort { minimum: 8 }));
        // Eight characters are enough for the bound; zxcvbn gives 3 to nine random ones and more.
        assert_eq!(check("x7$kQ2!m"), Err(Weakness::Guessable));
        assert_eq!(check("x7$kQ2!mP"), Ok(()));
        assert_eq!(check("žluťoučký kůň úpěl"), Ok(()));
        assert_eq!(check("correct horse battery staple"), Ok(()));
    }

    #[test]
    fn common_and_guessable_passwords_are_named_as_such() {
        assert_eq!(check("password123"), Err(Weakness::Common));
        assert_eq!(check("PASSWORD123"), Err(Weakness::Common));
        assert_eq!(check("abcabcabcabcabcabcab"), Err(Weakness::Guessable));
        assert_eq!(check("        "), Err(Weakness::Guessable));
    }

    #[test]
    fn ones_own_name_is_no_password() {
        for text in [
            "ada.lovelace!",
            "AdaLovelace99",
            "xx-ada.lovelace",
            "ada.lovelace@example.com",
            "4d4.l0v3l4c3!",
            "ecalevol.ada",
            "fashionistar-adalovelace",
        ] {
            assert_eq!(check(text), Err(Weakness::DerivedFromIdentifier), "{text}");
        }
        let number = Identifier::parse("+2348012345678").unwrap();
        let answer = whole(&password("2348012345678!"), &number, Role::Client.into());
        assert_eq!(answer, Err(Weakness::DerivedFromIdentifier));
    }

    #[test]
    fn the_services_name_and_its_roles_are_no_passwords() {
        for text in [
            "Fashionistar2026",
            "f4shi0nistar!",
            "Admin@2026",
            "vendor-2026",
        ] {
            assert_eq!(check(text), Err(Weakness::DerivedFromContext), "{text}");
        }
        let phrase = "nine fashionistars in lilac harbours";
        assert_eq!(check(phrase), Ok(()));
    }

    #[test]
    fn staff_need_longer_ones() {
        let ada = Identifier::parse("ada@example.com").unwrap();
        let short = whole(&password("x7$kQ2!mPz4#"), &ada, Role::Support.into());
        assert_eq!(short, Err(Weakness::TooShort { minimum: 15 }));
        let long = whole(&password("x7$kQ2!mPz4#Lw9"), &ada, Role::Support.into());
        assert_eq!(long, Ok(()));
    }
}
