//! `tokens.…`: access and refresh tokens.

use super::{kinds, reader::Reader};

/// The claims of tokens, and their lifetimes.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// `tokens.access_ttl_seconds`: lifetime of an access token. Default 600; at most 120 for staff.
    pub access_ttl_seconds: u32,
    /// `tokens.refresh_grace_seconds`: how long a refresh token that was just rotated still gets the same
    /// successor. Default 10, which is also the maximum.
    pub refresh_grace_seconds: u32,
    /// `tokens.issuer`: the `iss` claim. Default: `http.public_url` without a trailing slash.
    pub issuer: Option<String>,
    /// `tokens.audience`: the `aud` claim. Default `fashionistar`.
    pub audience: String,
    /// `tokens.client_id`: the `client_id` claim. Default `fashionistar-web`.
    pub client_id: String,
}

impl TokenSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            access_ttl_seconds: reader
                .setting("tokens.access_ttl_seconds", kinds::number(30..=3_600))
                .unwrap_or(600),
            refresh_grace_seconds: reader
                .setting("tokens.refresh_grace_seconds", kinds::number(0..=10))
                .unwrap_or(10),
            issuer: reader.setting("tokens.issuer", kinds::text),
            audience: reader
                .setting("tokens.audience", kinds::text)
                .unwrap_or_else(|| "fashionistar".to_owned()),
            client_id: reader
                .setting("tokens.client_id", kinds::text)
                .unwrap_or_else(|| "fashionistar-web".to_owned()),
        }
    }
}
