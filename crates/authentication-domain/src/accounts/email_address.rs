//! Email addresses.

use std::{borrow::Cow, fmt};

use unicode_normalization::UnicodeNormalization as _;

/// A well-formed address in canonical form.
///
/// Canonical form: Unicode NFKC, trimmed; the domain as lower-case ASCII (IDNA, UTS #46). The local part
/// keeps its case for delivery and is lower-cased for [`EmailAddress::index_form`], because no relevant mail
/// provider distinguishes `Ada@` from `ada@`, and people type both. Dots and `+tags` are kept: whether they
/// matter is up to the provider. Only an ASCII local part is accepted (RFC 5321, without RFC 6531): an
/// address that mail may not reach must not become the only way into an account, and the rule also excludes
/// look-alike letters.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    local: String,
    domain: String,
}

/// Why a text is not a deliverable address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an email address that we can send mail to")]
pub struct InvalidEmail;

impl EmailAddress {
    /// RFC 5321 §4.5.3.1.1: at most 64 octets before the `@`.
    const MAX_LOCAL: usize = 64;
    /// RFC 5321 §4.5.3.1.3: 256 octets, less the angle brackets.
    const MAX_LENGTH: usize = 254;

    /// # Errors
    /// [`InvalidEmail`] when mail could not be sent to the address.
    pub fn parse(typed: &str) -> Result<Self, InvalidEmail> {
        let text = Self::normalised(typed)?;
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let domain = canonical_domain(domain).ok_or(InvalidEmail)?;
        let whole = local.len() + 1 + domain.len();
        if is_dot_atom(local) && local.len() <= Self::MAX_LOCAL && whole <= Self::MAX_LENGTH {
            Ok(Self {
                local: local.to_owned(),
                domain,
            })
        } else {
            Err(InvalidEmail)
        }
    }

    /// NFKC, with a bound on the text before and after: one character may expand to eighteen, and the cost of
    /// processing a domain name grows with the square of its length. The bound assumes at most four bytes per
    /// character.
    fn normalised(typed: &str) -> Result<String, InvalidEmail> {
        let most = 4 * Self::MAX_LENGTH;
        if typed.len() > most {
            return Err(InvalidEmail);
        }
        let text: String = typed.trim().nfkc().collect();
        if text.len() > most {
            return Err(InvalidEmail);
        }
        Ok(text)
    }

    /// The address to which mail is sent.
    pub fn to_text(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// The form that must be unique: two addresses with the same index form belong to one account.
    pub fn index_form(&self) -> String {
        format!("{}@{}", self.local.to_ascii_lowercase(), self.domain)
    }

    /// The part before the `@`, which a password must not be built from.
    pub fn local_part(&self) -> &str {
        &self.local
    }

    /// A masked form that only the owner recognises: `a***@e***.com`.
    pub fn masked(&self) -> String {
        let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
        let top_level = self.domain.rsplit('.').next().unwrap_or_default();
        format!(
            "{}***@{}***.{top_level}",
            first(&self.local),
            first(&self.domain)
        )
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

/// RFC 5322 §3.2.3. Quoted local parts are legal but practically unused and hard to parse, so they are
/// refused.
fn is_dot_atom(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|atom| {
            !atom.is_empty()
                && atom.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
                })
        })
}

fn canonical_domain(domain: &str) -> Option<String> {
    let ascii: Cow<'_, str> =
        idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::STD3).ok()?;
    let labels: Vec<&str> = ascii.split('.').collect();
    let well_formed = labels.len() >= 2
        && labels.iter().all(|label| {
            (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        });
    // A numeric top-level label indicates an IP address.
    let named = labels
        .last()
        .is_some_and(|label| !label.bytes().all(|byte| byte.is_ascii_digit()));
    (well_formed && named).then(|| ascii.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_person_typing_it_differently_has_one_index_form() {
        let plain = EmailAddress::parse("ada@example.com").unwrap().index_form();
        for typed in [
            "Ada@Example.COM",
            "  ada@example.com ",
            "ＡＤＡ@example.com",
            "ADA@EXAMPLE。COM",
        ] {
            assert_eq!(
                EmailAddress::parse(typed).map(|it| it.index_form()),
                Ok(plain.clone()),
                "{typed}"
            );
        }
        assert_eq!(
            EmailAddress::parse("Ada@Example.com").unwrap().to_text(),
            "Ada@example.com"
        );
        for other in ["a.da@example.com", "ada+x@example.com", "ada@example.org"] {
            assert_ne!(
                EmailAddress::parse(other).unwrap().index_form(),
                plain,
                "{other}"
            );
        }
    }

    #[test]
    fn an_international_domain_has_one_form() {
        let unicode = EmailAddress::parse("a@bücher.example").unwrap();
        assert_eq!(
            unicode,
            EmailAddress::parse("a@xn--bcher-kva.example").unwrap()
        );
    }

    #[test]
    fn what_mail_cannot_reach_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", "b".repeat(300));
        for bad in [
            "",
            "@",
            "a@",
            "@b.co",
            "a",
            "a@b",
            "a@b.",
            "a@.b",
            "a b@c.co",
            "a@b c.co",
            "a..b@c.co",
            ".a@c.co",
            "a.@c.co",
            "a@b@c.co",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a\u{0}@b.co",
            "a\r\nBcc: x@y.co",
            "a@b.co\r\nBcc: x@y.co",
            "аdmin@x.co",
            "a\u{202e}@b.co",
            "a@-b.co",
            "\"a b\"@c.co",
            "a@b_c.co",
            "a@b.1",
            &long_local,
            &long,
        ] {
            assert_eq!(EmailAddress::parse(bad), Err(InvalidEmail), "{bad:?}");
        }
    }

    #[test]
    fn a_masked_address_tells_its_owner_and_nobody_else() {
        assert_eq!(
            EmailAddress::parse("ada@example.com").unwrap().masked(),
            "a***@e***.com"
        );
        assert_eq!(
            format!("{:?}", EmailAddress::parse("ada@example.com")),
            "Ok(EmailAddress(…))"
        );
    }

    proptest! {
        #[test]
        fn no_more_than_the_bound_reaches_the_work_on_domains(
            any in r"\PC{0,600}",
            expanding in r"(a@)?\u{fdfa}{0,400}",
        ) {
            for typed in [any, expanding] {
                if let Ok(text) = EmailAddress::normalised(&typed) {
                    prop_assert!(text.len() <= 4 * EmailAddress::MAX_LENGTH);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_stable(text in "\\PC{0,80}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                let again = EmailAddress::parse(&address.to_text());
                prop_assert_eq!(again, Ok(address));
            }
        }

        #[test]
        fn ordinary_addresses_are_taken(local in "[a-z][a-z0-9+_.-]{0,20}[a-z0-9]", domain in "[a-z]{1,20}\\.(com|co\\.uk|ng)") {
            prop_assume!(!local.contains(".."));
            let text = format!("{local}@{domain}");
            prop_assert!(EmailAddress::parse(&text).is_ok());
        }
    }
}
