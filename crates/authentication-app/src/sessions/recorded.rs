//! Tokens in the recorded answer of a request that may be repeated. Sealed, for as long as the answer is replayed.

use authentication_domain::sessions::SessionId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::TokenSet;

/// A [`TokenSet`], as it is recorded.
#[derive(Serialize, Deserialize)]
pub(crate) struct RecordedTokens {
    access_token: String,
    expires_in_seconds: u32,
    refresh_token: String,
    refresh_expires_in_seconds: u32,
    session: SessionId,
}

impl From<&TokenSet> for RecordedTokens {
    fn from(tokens: &TokenSet) -> Self {
        Self {
            access_token: tokens.access_token.expose_secret().to_owned(),
            expires_in_seconds: tokens.expires_in_seconds,
            refresh_token: tokens.refresh_token.expose_secret().to_owned(),
            refresh_expires_in_seconds: tokens.refresh_expires_in_seconds,
            session: tokens.session,
        }
    }
}

impl From<RecordedTokens> for TokenSet {
    fn from(recorded: RecordedTokens) -> Self {
        Self {
            access_token: SecretString::from(recorded.access_token),
            expires_in_seconds: recorded.expires_in_seconds,
            refresh_token: SecretString::from(recorded.refresh_token),
            refresh_expires_in_seconds: recorded.refresh_expires_in_seconds,
            session: recorded.session,
        }
    }
}
