//! The identity of a person at an identity provider.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Issuer and subject. Only the pair identifies a person permanently (OpenID Connect Core 1.0 §2, §5.7).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalIdentity {
    issuer: String,
    subject: String,
}

impl ExternalIdentity {
    /// OpenID Connect Core 1.0 §2: at most 255 ASCII characters.
    const MAX_SUBJECT: usize = 255;

    /// Returns `None` for a subject that no provider may issue.
    pub fn new(issuer: &str, subject: &str) -> Option<Self> {
        let plausible = !subject.is_empty()
            && subject.len() <= Self::MAX_SUBJECT
            && subject
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        plausible.then(|| Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        })
    }

    /// The bytes that go into the unique keyed digest. The length prefix of the issuer keeps two different
    /// pairs from having the same bytes.
    pub fn index_form(&self) -> Vec<u8> {
        let mut form = b"federated identity:".to_vec();
        form.extend_from_slice(self.issuer.len().to_string().as_bytes());
        form.push(b':');
        form.extend_from_slice(self.issuer.as_bytes());
        form.extend_from_slice(self.subject.as_bytes());
        form
    }
}

impl fmt::Debug for ExternalIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalIdentity(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_subject_that_a_provider_may_give_is_taken() {
        assert!(
            ExternalIdentity::new("https://id.example", "10769150350006150715113082367").is_some()
        );
        for bad in ["", "a\u{0}b", "a\nb", "é", &"1".repeat(256)] {
            assert!(
                ExternalIdentity::new("https://id.example", bad).is_none(),
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn two_identities_never_have_one_index_form(
            left in ("[a-z:0-9]{0,12}", "[a-z:0-9]{1,12}"),
            right in ("[a-z:0-9]{0,12}", "[a-z:0-9]{1,12}"),
        ) {
            let one = ExternalIdentity::new(&left.0, &left.1).unwrap();
            let other = ExternalIdentity::new(&right.0, &right.1).unwrap();
            prop_assert_eq!(one.index_form() == other.index_form(), one == other);
        }
    }
}
