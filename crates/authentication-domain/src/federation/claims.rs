//! The claims of an identity provider about a person, and the rules for trusting them.

use std::fmt;

use super::ExternalIdentity;
use crate::{
    accounts::EmailAddress,
    profiles::{DisplayName, Profile},
};

/// The claims of an ID token whose signature, issuer, audience and times are valid. Not trusted yet:
/// [`IdentityClaims::judge`] decides.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityClaims {
    /// Issuer and subject.
    pub identity: ExternalIdentity,
    /// `nonce`: the value that the service sent in the authorization request.
    pub nonce: Option<String>,
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`: `None` if the claim is absent, `Some(false)` if it is present but not readable.
    pub email_verified: Option<bool>,
    /// `hd`: the domain of the organisation that the account belongs to (a claim of Google).
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

/// The rules that decide which people of a provider are admitted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdmissionRules {
    /// The organisations whose people are admitted (`hd`). If empty, everybody is.
    pub hosted_domains: Vec<String>,
    /// Domains whose addresses count as verified where the provider does not say. Meant for an organisation
    /// that assigns the addresses of its people itself.
    pub verified_domains: Vec<String>,
}

/// A person for whom the provider vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalPerson {
    /// The permanent identity of the person.
    pub identity: ExternalIdentity,
    /// The person's current email address.
    pub email: EmailAddress,
    /// The initial profile for a new account. Values that cannot be displayed are left out.
    pub profile: Profile,
}

/// Why valid claims are not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The provider does not state that it verified the address.
    #[error("the provider did not verify the address")]
    EmailNotVerified,
    /// There is no address that mail can be sent to.
    #[error("there is no usable address")]
    NoEmail,
    /// The person belongs to none of the admitted organisations.
    #[error("the person belongs to no organisation that is let in")]
    ForeignDomain,
}

impl Untrusted {
    /// The name in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmailNotVerified => "email_not_verified",
            Self::NoEmail => "no_email",
            Self::ForeignDomain => "foreign_hosted_domain",
        }
    }
}

impl IdentityClaims {
    /// Decides whether the person is admitted. The `hd` claim decides on the organisation, never the address:
    /// anybody can have an account at the provider under an address of any domain.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn judge(self, rules: &AdmissionRules) -> Result<ExternalPerson, Untrusted> {
        if !self.has_verified_address(&rules.verified_domains) {
            return Err(Untrusted::EmailNotVerified);
        }
        let email = self
            .email
            .as_deref()
            .and_then(|text| EmailAddress::parse(text).ok())
            .ok_or(Untrusted::NoEmail)?;
        let claimed = self.hosted_domain.as_deref();
        let is_let_in = rules.hosted_domains.is_empty()
            || claimed.is_some_and(|domain| is_among(domain, &rules.hosted_domains));
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

impl IdentityClaims {
    /// The provider's statement decides. Only without one does the domain of the address.
    fn has_verified_address(&self, verified_domains: &[String]) -> bool {
        self.email_verified.unwrap_or_else(|| {
            let domain = self.email.as_deref().and_then(|text| text.rsplit_once('@'));
            domain.is_some_and(|(_, domain)| is_among(domain, verified_domains))
        })
    }
}

fn is_among(domain: &str, domains: &[String]) -> bool {
    domains.iter().any(|it| it.eq_ignore_ascii_case(domain))
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
        let person = claims().judge(&AdmissionRules::default()).unwrap();
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

    /// T32, T37: an address that the provider did not verify is not trusted.
    #[test]
    fn an_address_that_nobody_checked_is_not_believed() {
        for email_verified in [Some(false), None] {
            let claims = IdentityClaims {
                email_verified,
                ..claims()
            };
            assert_eq!(
                claims.judge(&AdmissionRules::default()),
                Err(Untrusted::EmailNotVerified)
            );
        }
        for email in [
            None,
            Some(String::new()),
            Some("ada".to_owned()),
            Some("ada@localhost".to_owned()),
        ] {
            let claims = IdentityClaims { email, ..claims() };
            assert_eq!(
                claims.judge(&AdmissionRules::default()),
                Err(Untrusted::NoEmail)
            );
        }
    }

    /// T32: a missing claim is accepted only for an organisation's own addresses; `false` always refuses.
    #[test]
    fn an_organisations_own_addresses_need_no_word_of_the_provider() {
        let rules = AdmissionRules {
            verified_domains: vec!["corp.example.com".to_owned()],
            ..AdmissionRules::default()
        };
        for (email_verified, email, is_believed) in [
            (None, "ada@corp.example.com", true),
            (None, "ada@CORP.example.com", true),
            (Some(true), "ada@elsewhere.example.com", true),
            (Some(false), "ada@corp.example.com", false),
            (None, "ada@example.com", false),
            (None, "ada@corp.example.com.evil.com", false),
            (None, "corp.example.com@evil.com", false),
            (None, "corp.example.com", false),
        ] {
            let claims = IdentityClaims {
                email_verified,
                email: Some(email.to_owned()),
                ..claims()
            };
            let judged = claims.judge(&rules);
            assert_eq!(judged.is_ok(), is_believed, "{email_verified:?} {email}");
        }
    }

    /// T32: the claim decides, not the domain of the address.
    #[test]
    fn an_organisation_is_known_by_its_claim() {
        let let_in = AdmissionRules {
            hosted_domains: vec!["fashionistar.com".to_owned()],
            ..AdmissionRules::default()
        };
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
