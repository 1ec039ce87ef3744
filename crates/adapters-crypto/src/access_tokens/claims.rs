//! The payload of a token (RFC 9068 §2.2).

use authentication_app::ports::{InvalidToken, SigningFailed};
use authentication_domain::sessions::AccessClaims;
use common::{
    Id,
    access::{MethodReferences, Roles},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{JwtConfig, part};

/// All claims are required and typed: numbers are whole and finite, never strings. Other claims are ignored
/// (RFC 7519 §4).
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    sid: String,
    roles: Roles,
    amr: Vec<String>,
    acr: String,
    auth_time: i64,
    /// Private claim: the generation of the refresh token that it was issued with. An older release that does
    /// not write it may run at the same time; its tokens are older than any proof.
    #[serde(default)]
    r#gen: u32,
}

impl Claims {
    pub(super) fn new(claims: &AccessClaims, config: &JwtConfig, jti: String) -> Self {
        let issued_at = claims.issued_at.unix_timestamp();
        Self {
            iss: config.issuer.clone(),
            aud: config.audience.clone(),
            sub: claims.account.to_string(),
            client_id: config.client_id.clone(),
            iat: issued_at,
            nbf: issued_at,
            exp: claims.expires_at.unix_timestamp(),
            jti,
            sid: claims.session.to_string(),
            roles: claims.roles,
            amr: claims.references.values().map(str::to_owned).collect(),
            acr: claims.references.acr().to_owned(),
            auth_time: claims.authenticated_at.unix_timestamp(),
            r#gen: claims.generation,
        }
    }

    pub(super) fn encode(&self) -> Result<String, SigningFailed> {
        part::encode(self).ok_or(SigningFailed)
    }

    /// Checks everything except the times.
    pub(super) fn decode(text: &str, config: &JwtConfig) -> Result<AccessClaims, InvalidToken> {
        let claims: Self = part::decode(text).ok_or(InvalidToken)?;
        claims.read(config).ok_or(InvalidToken)
    }

    fn read(&self, config: &JwtConfig) -> Option<AccessClaims> {
        let ours = self.iss == config.issuer
            && self.aud == config.audience
            && self.client_id == config.client_id
            // Tokens are never issued for later use, so the two are always equal.
            && self.nbf == self.iat
            && !self.jti.is_empty();
        let references = MethodReferences::from_values(self.amr.iter().map(String::as_str))?;
        let claims = AccessClaims {
            account: id(&self.sub)?,
            session: id(&self.sid)?,
            generation: self.r#gen,
            roles: self.roles,
            references,
            authenticated_at: time(self.auth_time)?,
            issued_at: time(self.iat)?,
            expires_at: time(self.exp)?,
        };
        (ours && self.acr == references.acr()).then_some(claims)
    }
}

/// Parses an id in the only spelling that the service issues.
fn id<K>(text: &str) -> Option<Id<K>> {
    let id = Uuid::try_parse(text).ok()?;
    (id.to_string() == text).then_some(Id::from_uuid(id))
}

fn time(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}
