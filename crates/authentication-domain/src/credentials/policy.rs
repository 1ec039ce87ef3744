//! Which passwords are good enough.
//!
//! NIST SP 800-63B-4 §3.1.1.2 and OWASP ASVS 5.0 V6.2: length, a blocklist and an estimate of the guesses
//! it would take. No composition rules, no forced change.

use common::access::Roles;
use unicode_normalization::UnicodeNormalization as _;

use super::{PlainPassword, blocklist};
use crate::accounts::Identifier;

/// What a new password must hold to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest characters for members.
    pub minimum_length: usize,
    /// Fewest characters for staff.
    pub minimum_length_for_staff: usize,
    /// Least zxcvbn score, 0 to 4 (Wheeler, "zxcvbn", USENIX Security 2016).
    pub minimum_score: u8,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: 8,
            minimum_length_for_staff: 15,
            minimum_score: 3,
        }
    }
}

/// What is wrong with a password, in words that help to find a better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too few characters.
    #[error("use at least {minimum} characters")]
    TooShort {
        /// The bound that applies.
        minimum: usize,
    },
    /// On the list of common and breached passwords.
    #[error("this password is among the most used and leaked ones; choose another")]
    Common,
    /// Few guesses would find it.
    #[error("this password is easy to guess; add words or characters that do not belong together")]
    Guessable,
    /// Made of the person's own email address or number.
    #[error("this password is made of your email address or number; choose another")]
    DerivedFromIdentifier,
}

impl Weakness {
    /// The stable code in `errors[]`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password_too_short",
            Self::Common => "password_common",
            Self::Guessable => "password_guessable",
            Self::DerivedFromIdentifier => "password_derived_from_identifier",
        }
    }
}

impl PasswordPolicy {
    /// Fewest characters a context text must have to count: a two-letter local part is in every password.
    const SHORTEST_CONTEXT: usize = 4;

    /// What can be said of the password without knowing whose it is to be.
    ///
    /// # Errors
    /// The first [`Weakness`] found.
    pub fn check(&self, password: &PlainPassword) -> Result<(), Weakness> {
        at_least(password, self.minimum_length)?;
        if blocklist::is_common(password.expose()) {
            return Err(Weakness::Common);
        }
        self.strong_enough(password, &[])
    }

    /// The whole policy, for the person whose password it is to be.
    ///
    /// # Errors
    /// The first [`Weakness`] found.
    pub fn check_for(
        &self,
        password: &PlainPassword,
        owner: &Identifier,
        roles: Roles,
    ) -> Result<(), Weakness> {
        self.check(password)?;
        if roles.is_staff() {
            at_least(password, self.minimum_length_for_staff)?;
        }
        let context = owner.password_context();
        let typed = password.expose().to_lowercase();
        let skeleton: String = typed.nfkc().filter(|it| it.is_alphanumeric()).collect();
        for text in &context {
            let text: String = text.nfkc().filter(|it| it.is_alphanumeric()).collect();
            if text.chars().count() < Self::SHORTEST_CONTEXT {
                continue;
            }
            let rest = skeleton.replace(&text, "");
            let reversed: String = text.chars().rev().collect();
            // A few characters around one's own name are no password.
            if rest.chars().count() < self.minimum_length && rest != skeleton
                || skeleton == reversed
            {
                return Err(Weakness::DerivedFromIdentifier);
            }
        }
        let context: Vec<&str> = context.iter().map(String::as_str).collect();
        self.strong_enough(password, &context)
    }

    fn strong_enough(&self, password: &PlainPassword, context: &[&str]) -> Result<(), Weakness> {
        // zxcvbn looks at the first hundred characters at the most, so its cost is bounded.
        if u8::from(zxcvbn::zxcvbn(password.expose(), context).score()) < self.minimum_score {
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

    fn check(text: &str) -> Result<(), Weakness> {
        let ada = Identifier::parse("ada.lovelace@example.com").unwrap();
        PasswordPolicy::default().check_for(&password(text), &ada, Role::Client.into())
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
        ] {
            assert_eq!(check(text), Err(Weakness::DerivedFromIdentifier), "{text}");
        }
        let number = Identifier::parse("+2348012345678").unwrap();
        let policy = PasswordPolicy::default();
        let answer = policy.check_for(&password("2348012345678!"), &number, Role::Client.into());
        assert_eq!(answer, Err(Weakness::DerivedFromIdentifier));
    }

    #[test]
    fn staff_need_longer_ones() {
        let ada = Identifier::parse("ada@example.com").unwrap();
        let policy = PasswordPolicy::default();
        let short = policy.check_for(&password("x7$kQ2!mPz4#"), &ada, Role::Support.into());
        assert_eq!(short, Err(Weakness::TooShort { minimum: 15 }));
        let long = policy.check_for(&password("x7$kQ2!mPz4#Lw9"), &ada, Role::Support.into());
        assert_eq!(long, Ok(()));
    }
}
