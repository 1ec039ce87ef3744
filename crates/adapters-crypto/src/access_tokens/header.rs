//! The header of a token.

use authentication_app::ports::InvalidToken;
use serde::{Deserialize, Serialize};

use super::part;
use crate::keys::{Keyed as _, SigningKey};

/// RFC 9068 §2.1: the short form in lower case, which is the only accepted spelling.
const ACCESS_TOKEN: &str = "at+jwt";

/// All members of a header. Any other member is refused unread. This covers members that carry or locate a
/// key, compress the payload or change what is signed: `jwk`, `x5c`, `jku`, `x5u`, `zip`, `b64`, `cty`, and
/// `crit`, of which no extension is supported (RFC 7515 §4.1.11).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    #[serde(rename = "typ")]
    kind: String,
    #[serde(rename = "alg")]
    pub(super) algorithm: String,
    #[serde(rename = "kid")]
    pub(super) key_id: String,
}

impl Header {
    pub(super) fn of(key: &SigningKey) -> Self {
        Self {
            kind: ACCESS_TOKEN.to_owned(),
            algorithm: key.algorithm().as_str().to_owned(),
            key_id: key.id().to_owned(),
        }
    }

    #[expect(clippy::expect_used, reason = "three texts always become JSON")]
    pub(super) fn encode(&self) -> String {
        part::encode(self).expect("a header becomes JSON")
    }

    pub(super) fn decode(text: &str) -> Result<Self, InvalidToken> {
        part::decode(text).ok_or(InvalidToken)
    }

    pub(super) fn is_access_token(&self) -> bool {
        self.kind == ACCESS_TOKEN
    }
}
