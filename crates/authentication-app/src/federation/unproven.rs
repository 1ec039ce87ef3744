//! Proofs that are refused before any account is read.

use authentication_domain::{
    audit::Outcome,
    federation::{ExternalPerson, Untrusted},
    opaque_token::TokenDigest,
};
use secrecy::SecretString;

use super::{Federation, nonce_of};
use crate::{
    RequestContext,
    ports::{ProviderError, StoreError},
    recorder::Act,
    retry::retrying,
};

/// Why a proof was refused.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// The flow was not begun here, by this client, within the last ten minutes, or it was already completed. The
    /// provider was not asked.
    #[error("the state does not count")]
    InvalidState,
    /// The nonce was not issued here, was used, has expired, or was issued to another device.
    #[error("the nonce does not count")]
    UnknownNonce,
    /// The claims are valid, but are not believed.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The provider is unavailable, or does not vouch for the person.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Unproven {
    /// The reason for the audit log; `None` when the requester is not at fault.
    pub(crate) const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::InvalidState => Some("invalid_state"),
            Self::UnknownNonce => Some("unknown_nonce"),
            Self::Untrusted(why) => Some(why.as_str()),
            Self::Provider(ProviderError::Refused(why)) => Some(why.as_str()),
            Self::Provider(ProviderError::MixedUp) => Some("mixed_up"),
            Self::Provider(ProviderError::Unavailable { .. } | ProviderError::Untrustworthy(_))
            | Self::Store(_) => None,
        }
    }
}

impl Federation {
    /// The person an ID token vouches for, and the nonce with which it is valid. Changes nothing.
    pub(crate) async fn prove(
        &self,
        id_token: &SecretString,
    ) -> Result<(ExternalPerson, TokenDigest), Unproven> {
        let claims = self.provider.verify(id_token).await?;
        let nonce = nonce_of(&claims).ok_or(Unproven::UnknownNonce)?.digest();
        Ok((self.judge(claims)?, nonce))
    }

    /// Records a refusal before it is returned.
    pub(crate) async fn noted<'a, T>(
        &self,
        proven: Result<T, Unproven>,
        act: impl Fn(Outcome) -> Act<'a>,
        ctx: &RequestContext,
    ) -> Result<T, Unproven> {
        if let Err(refusal) = &proven
            && let Some(reason) = refusal.reason()
        {
            let act = act(Outcome::Refused(reason));
            retrying(|| self.base.put_on_record(&act, ctx)).await?;
        }
        proven
    }
}
