//! The verification of an ID token (OpenID Connect Core 1.0 §3.1.3.7, RFC 8725).

use authentication_app::ports::ProviderRefusal;
use authentication_domain::federation::{ExternalIdentity, FederationRules, IdentityClaims};
use openidconnect::{
    JsonWebKey as _, JsonWebKeyAlgorithm, JwsSigningAlgorithm as _,
    core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use time::OffsetDateTime;

use crate::{
    ProviderConfig,
    token::{Claims, Header, Instant, Token},
};

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotVerified {
    /// Refused; newer keys would change nothing.
    Refused(ProviderRefusal),
    /// Signed by an unknown key: there may be newer ones.
    UnknownKey,
}

impl From<ProviderRefusal> for NotVerified {
    fn from(refusal: ProviderRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Verifies everything but the nonce, which only the store can check. Cheap checks come first. Before the signature is
/// verified, the only possible refusals are an unreadable token, and a foreign issuer or audience.
pub(crate) fn verify(
    text: &str,
    config: &ProviderConfig,
    keys: &CoreJsonWebKeySet,
    now: OffsetDateTime,
) -> Result<IdentityClaims, NotVerified> {
    let token = Token::read(text).filter(|token| token.header.is_plain());
    let token = token.ok_or(ProviderRefusal::Unreadable)?;
    if !config.is_issuer(&token.claims.iss) {
        return Err(ProviderRefusal::Issuer.into());
    }
    if !is_for_us(&token.claims, config) {
        return Err(ProviderRefusal::Audience.into());
    }
    check_signature(&token, keys)?;
    if !is_in_its_time(&token.claims, now) {
        return Err(ProviderRefusal::Time.into());
    }
    Ok(believed(token.claims, config).ok_or(ProviderRefusal::Unreadable)?)
}

/// §3.1.3.7, items 3 to 5: every audience must be ours. A token with several audiences needs an authorized party, which
/// must be ours too. An Android app gets tokens for the site's client, with its own client as the authorized party.
fn is_for_us(claims: &Claims, config: &ProviderConfig) -> bool {
    let is_ours = |client: &String| config.client_ids.contains(client);
    let party_is_ours = match &claims.azp {
        Some(party) => is_ours(party),
        None => claims.aud.len() == 1,
    };
    !claims.aud.is_empty() && claims.aud.iter().all(is_ours) && party_is_ours
}

/// Verifies the signature with the one key that the header can mean. Neither `kid` nor `alg` is trusted: they only
/// choose among keys and algorithms that are accepted anyway.
fn check_signature(token: &Token<'_>, keys: &CoreJsonWebKeySet) -> Result<(), NotVerified> {
    let algorithm = match token.header.alg.as_str() {
        "RS256" => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        "ES256" => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        _ => return Err(ProviderRefusal::Signature.into()),
    };
    let mut meant = keys
        .keys()
        .iter()
        .filter(|key| is_meant(key, &token.header, &algorithm));
    let key = meant.next().ok_or(NotVerified::UnknownKey)?;
    // RFC 7515 §4.1.4: without a key id, or with one that two keys share, the key is ambiguous.
    if meant.next().is_some() {
        return Err(ProviderRefusal::Signature.into());
    }
    key.verify_signature(&algorithm, token.signed.as_bytes(), &token.signature)
        .map_err(|_| ProviderRefusal::Signature.into())
}

fn is_meant(key: &CoreJsonWebKey, header: &Header, algorithm: &CoreJwsSigningAlgorithm) -> bool {
    let by_id = match &header.kid {
        Some(id) => key.key_id().is_some_and(|it| it.as_str() == id),
        None => true,
    };
    let by_algorithm = match key.signing_alg() {
        JsonWebKeyAlgorithm::Unspecified => true,
        JsonWebKeyAlgorithm::Algorithm(own) => own == algorithm,
        JsonWebKeyAlgorithm::Unsupported => false,
    };
    by_id && by_algorithm && algorithm.key_type().as_ref() == Some(key.key_type())
}

/// §3.1.3.7, items 9 and 10, and RFC 7519 §4.1.5, each with a tolerance for the provider's clock.
fn is_in_its_time(claims: &Claims, now: OffsetDateTime) -> bool {
    let skew = FederationRules::CLOCK_SKEW;
    let earliest = instant(now - skew);
    let latest = instant(now + skew);
    let has_begun = claims.nbf.is_none_or(|begins| begins <= latest);
    claims.exp > earliest && claims.iat <= latest && has_begun
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds are exact for three centuries"
)]
fn instant(at: OffsetDateTime) -> Instant {
    Instant((at.unix_timestamp_nanos() / 1_000) as f64 / 1e6)
}

/// `None` if the subject is invalid. The issuer is stored as configured, in whichever spelling the token has it.
fn believed(claims: Claims, config: &ProviderConfig) -> Option<IdentityClaims> {
    Some(IdentityClaims {
        identity: ExternalIdentity::new(&config.issuer, &claims.sub)?,
        nonce: claims.nonce,
        email: claims.email,
        email_verified: claims.email_verified,
        hosted_domain: claims.hd,
        name: claims.name,
        given_name: claims.given_name,
        family_name: claims.family_name,
        locale: claims.locale,
    })
}
