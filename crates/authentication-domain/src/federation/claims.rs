//! What a provider says of a person, and what of it is believed.

use std::fmt;

use super::ExternalIdentity;
use crate::{
    accounts::EmailAddress,
    profiles::{DisplayName, Profile},
};

/// The claims of an ID token whose signature, issuer, audience and times are good. Not believed yet.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityClaims {
    /// Who.
    pub identity: ExternalIdentity,
    /// `nonce`: what we asked with.
    pub nonce: Option<String>,
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`: a boolean, not the word (the text `"true"` is no token at all).
    pub email_verified: Option<bool>,
    /// `hd`: the domain of the organisation that the account belongs to.
    pub hosted_domain: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// `given_name`.
    pub given_name: Option<String>,
    /// `family_name`.
    pub family_name: Option<String>,
    /// `locale`.
    pub locale: Option<String>,
}

impl fmt::Debug for IdentityClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityClaims(…)")
    }
}

/// A person whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalPerson {
    /// Who, for ever.
    pub identity: ExternalIdentity,
    /// Where they read mail, as of now.
    pub email: EmailAddress,
    /// What an account that is made for them begins with. What cannot be shown is left out.
    pub profile: Profile,
}

/// Why good claims are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The provider does not say that it checked the address.
    #[error("the provider did not verify the address")]
    EmailNotVerified,
    /// There is no address that mail could be sent to.
    #[error("there is no usable address")]
    NoEmail,
    /// The person belongs to none of the organisations that are let in.
    #[error("the person belongs to no organisation that is let in")]
    ForeignDomain,
}

impl Untrusted {
    /// The name in the trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmailNotVerified => "email_not_verified",
            Self::NoEmail => "no_email",
            Self::ForeignDomain => "foreign_hosted_domain",
        }
    }
}

impl IdentityClaims {
    /// Whether the person is let in. `hosted_domains` are those of the organisations that are; none lets in
    /// everybody. The claim decides and never the address: anybody can have an account at the provider under
    /// an address of any domain.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn judge(self, hosted_domains: &[String]) -> Result<ExternalPerson, Untrusted> {
        if self.email_verified != Some(true) {
            return Err(Untrusted::EmailNotVerified);
        }
        let email = self
            .email
            .as_deref()
            .and_then(|text| EmailAddress::parse(text).ok())
            .ok_or(Untrusted::NoEmail)?;
        let is_let_in = hosted_domains.is_empty()
            || self.hosted_domain.as_ref().is_some_and(|domain| {
                hosted_domains
                    .iter()
                    .any(|it| it.eq_ignore_ascii_case(domain))
            });
        if !is_let_in {
            return Err(Untrusted::ForeignDomain);
        }
        let name =
            |text: &Option<String>| text.as_deref().and_then(|it| DisplayName::parse(it).ok());
        let profile = Profile {
            display_name: name(&self.name),
            first_name: name(&self.given_name),
            last_name: name(&self.family_name),
            country: None,
            language: self
                .locale
                .as_deref()
                .and_then(|text| Profile::parse_language(text).ok()),
        };
        Ok(ExternalPerson {
            identity: self.identity,
            email,
            profile,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> IdentityClaims {
        IdentityClaims {
            identity: ExternalIdentity::new("https://id.example", "1").unwrap(),
            nonce: Some("n".to_owned()),
            email: Some("ada@example.com".to_owned()),
            email_verified: Some(true),
            hosted_domain: None,
            name: Some("Ada Lovelace".to_owned()),
            given_name: Some("Ada".to_owned()),
            family_name: Some("a\u{202e}b".to_owned()),
            locale: Some("en".to_owned()),
        }
    }

    #[test]
    fn a_verified_address_is_believed() {
        let person = claims().judge(&[]).unwrap();
        assert_eq!(person.email.to_text(), "ada@example.com");
        let shown = |name: Option<DisplayName>| name.map(|it| it.as_str().to_owned());
        assert_eq!(
            shown(person.profile.display_name).as_deref(),
            Some("Ada Lovelace")
        );
        assert_eq!(
            shown(person.profile.last_name),
            None,
            "what cannot be shown is left out"
        );
        assert_eq!(person.profile.language.as_deref(), Some("en"));
    }

    /// T32, T37: what the provider did not check is not believed.
    #[test]
    fn an_address_that_nobody_checked_is_not_believed() {
        for email_verified in [Some(false), None] {
            let claims = IdentityClaims {
                email_verified,
                ..claims()
            };
            assert_eq!(claims.judge(&[]), Err(Untrusted::EmailNotVerified));
        }
        for email in [
            None,
            Some(String::new()),
            Some("ada".to_owned()),
            Some("ada@localhost".to_owned()),
        ] {
            let claims = IdentityClaims { email, ..claims() };
            assert_eq!(claims.judge(&[]), Err(Untrusted::NoEmail));
        }
    }

    /// T32: the claim decides, not the text of the address.
    #[test]
    fn an_organisation_is_known_by_its_claim() {
        let let_in = ["fashionistar.com".to_owned()];
        let with = |hosted_domain: Option<&str>, email: &str| IdentityClaims {
            hosted_domain: hosted_domain.map(ToOwned::to_owned),
            email: Some(email.to_owned()),
            ..claims()
        };
        assert!(
            with(Some("fashionistar.com"), "ada@fashionistar.com")
                .judge(&let_in)
                .is_ok()
        );
        assert!(
            with(Some("Fashionistar.com"), "ada@elsewhere.com")
                .judge(&let_in)
                .is_ok()
        );
        for (domain, email) in [
            (None, "ada@fashionistar.com"),
            (Some("elsewhere.com"), "ada@fashionistar.com"),
            (Some("fashionistar.com.evil"), "ada@fashionistar.com"),
            (Some(""), "ada@fashionistar.com"),
        ] {
            assert_eq!(
                with(domain, email).judge(&let_in),
                Err(Untrusted::ForeignDomain)
            );
        }
    }
}
