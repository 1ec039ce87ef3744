//! Verifying an ID token (OpenID Connect Core 1.0 §3.1.3.7, RFC 8725).

use authentication_app::ports::ProviderRefusal;
use authentication_domain::federation::{ExternalIdentity, FederationRules, IdentityClaims};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use openidconnect::{
    AdditionalClaims, ClaimsVerificationError, ClientId, IdToken, IdTokenClaims, IdTokenVerifier,
    IssuerUrl, LocalizedClaim, Nonce, SignatureVerificationError,
    core::{
        CoreGenderClaim, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    },
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::ProviderConfig;

/// By one of these and by no other, whatever the token's header says.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 2] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
];

/// What Google adds to the standard's claims.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct GooglesClaims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hd: Option<String>,
}

impl AdditionalClaims for GooglesClaims {}

type Token = IdToken<
    GooglesClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Claims = IdTokenClaims<GooglesClaims, CoreGenderClaim>;

/// Why a token does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotVerified {
    /// For good.
    Refused(ProviderRefusal),
    /// By a key that is not known: there may be newer ones.
    UnknownKey,
}

impl From<ProviderRefusal> for NotVerified {
    fn from(refusal: ProviderRefusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Everything but the nonce: whether that is one of ours, only the store can tell.
pub(crate) fn verify(
    text: &str,
    config: &ProviderConfig,
    keys: &CoreJsonWebKeySet,
    now: OffsetDateTime,
) -> Result<IdentityClaims, NotVerified> {
    if !is_text(text) {
        return Err(ProviderRefusal::Unreadable.into());
    }
    let token: Token = text.parse().map_err(|_| ProviderRefusal::Unreadable)?;
    let mut refusal = NotVerified::Refused(ProviderRefusal::Audience);
    for client in &config.client_ids {
        match verify_for(client, &token, config, keys, now) {
            Ok(claims) => return believed(claims, config),
            // Audience comes before the signature: trying the next client costs next to nothing.
            Err(ClaimsVerificationError::InvalidAudience(_)) => {}
            Err(error) => {
                refusal = refusal_of(&error);
                break;
            }
        }
    }
    Err(refusal)
}

/// Whether header and claims are UTF-8 (RFC 7519 §7.2). The library does not look at the encoding of what it
/// passes over.
fn is_text(token: &str) -> bool {
    let is_text = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part);
        bytes.is_ok_and(|bytes| std::str::from_utf8(&bytes).is_ok())
    };
    token.split('.').take(2).all(is_text)
}

fn verify_for<'t>(
    client: &str,
    token: &'t Token,
    config: &ProviderConfig,
    keys: &CoreJsonWebKeySet,
    now: OffsetDateTime,
) -> Result<&'t Claims, ClaimsVerificationError> {
    let skew = FederationRules::CLOCK_SKEW;
    let issuer = IssuerUrl::new(config.issuer.clone())
        .map_err(|error| ClaimsVerificationError::InvalidIssuer(error.to_string()))?;
    let earliest = to_chrono(now - skew);
    let latest = to_chrono(now + skew);
    let verifier =
        IdTokenVerifier::new_public_client(ClientId::new(client.to_owned()), issuer, keys.clone())
            .set_allowed_algs(ALGORITHMS)
            .set_other_audience_verifier_fn(|other| is_ours(other, config))
            .set_time_fn(move || earliest)
            .set_issue_time_verifier_fn(move |issued| {
                if issued <= latest {
                    Ok(())
                } else {
                    Err("issued in the future".to_owned())
                }
            });
    // Whoever asked looks at the nonce.
    token.claims(&verifier, |_: Option<&Nonce>| Ok(()))
}

/// What the library leaves open.
fn believed(claims: &Claims, config: &ProviderConfig) -> Result<IdentityClaims, NotVerified> {
    if claims.issuer().as_str() != config.issuer {
        return Err(ProviderRefusal::Issuer.into());
    }
    // §3.1.3.7, 4 and 5: several audiences need an authorized party, and it must be one of ours. An Android app
    // gets tokens for the site's client with its own one as the authorized party.
    let party = claims.authorized_party().map(|party| party.as_str());
    match party {
        Some(party) if !is_ours(party, config) => return Err(ProviderRefusal::Audience.into()),
        None if claims.audiences().len() > 1 => return Err(ProviderRefusal::Audience.into()),
        _ => {}
    }
    let identity = ExternalIdentity::new(&config.issuer, claims.subject().as_str())
        .ok_or(ProviderRefusal::Unreadable)?;
    Ok(IdentityClaims {
        identity,
        nonce: claims.nonce().map(|nonce| nonce.secret().clone()),
        email: claims.email().map(|email| email.as_str().to_owned()),
        email_verified: claims.email_verified(),
        hosted_domain: claims.additional_claims().hd.clone(),
        name: plain(claims.name(), |it| it.as_str()),
        given_name: plain(claims.given_name(), |it| it.as_str()),
        family_name: plain(claims.family_name(), |it| it.as_str()),
        locale: claims.locale().map(|tag| tag.as_ref().to_owned()),
    })
}

fn is_ours(client: &str, config: &ProviderConfig) -> bool {
    config.client_ids.iter().any(|it| it == client)
}

/// A name in no language in particular.
fn plain<T>(claim: Option<&LocalizedClaim<T>>, text: impl Fn(&T) -> &str) -> Option<String> {
    claim
        .and_then(|claim| claim.get(None))
        .map(|it| text(it).to_owned())
}

fn refusal_of(error: &ClaimsVerificationError) -> NotVerified {
    use ClaimsVerificationError as E;
    match error {
        E::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            NotVerified::UnknownKey
        }
        E::SignatureVerification(_) => ProviderRefusal::Signature.into(),
        E::InvalidIssuer(_) => ProviderRefusal::Issuer.into(),
        E::InvalidAudience(_) => ProviderRefusal::Audience.into(),
        E::Expired(_) | E::InvalidAuthTime(_) => ProviderRefusal::Time.into(),
        _ => ProviderRefusal::Unreadable.into(),
    }
}

/// A time outside of its calendar is the epoch, at which everything has expired.
fn to_chrono(at: OffsetDateTime) -> DateTime<Utc> {
    DateTime::from_timestamp(at.unix_timestamp(), at.nanosecond()).unwrap_or_default()
}
