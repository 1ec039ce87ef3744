//! The request id, which links a response with its log lines, audit entries and events.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A valid request id: 1 to 128 characters of `A–Z a–z 0–9 . _ -`.
///
/// The narrow alphabet makes it safe in headers, log lines and JSON without escaping.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl RequestId {
    /// Accepts a valid id from a client; on `None` the caller generates one instead.
    pub fn parse(text: &str) -> Option<Self> {
        let sane = !text.is_empty()
            && text.len() <= 128
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        sane.then(|| Self(text.to_owned()))
    }

    /// Wraps a value that this service generated.
    pub fn from_uuid(value: uuid::Uuid) -> Self {
        Self(value.simple().to_string())
    }

    /// The text that is returned to the client.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn only_a_sane_token_is_taken() {
        assert!(RequestId::parse("01HF-a.b_c").is_some());
        for bad in [
            "",
            " ",
            "a b",
            "a\r\nb",
            "ä",
            &"x".repeat(129),
            "a\"b",
            "\u{1b}[31m",
        ] {
            assert_eq!(RequestId::parse(bad), None, "{bad:?}");
        }
    }
}
