//! Proofs that are refused before anything is read of any account.

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

/// Why nobody is proven.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// The flow was not begun here, by this client, within ten minutes, or was completed before. The provider
    /// was not asked.
    #[error("the state does not count")]
    InvalidState,
    /// The nonce is none of ours, was used, expired, or was given to another device.
    #[error("the nonce does not count")]
    UnknownNonce,
    /// The claims are good, and not believed.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The provider is away, or does not vouch for anybody.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Unproven {
    /// The reason in the trail; `None` when it is nobody's fault who asked.
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
    /// Whom an ID token vouches for, and the nonce that it counts with. Changes nothing.
    pub(crate) async fn prove(
        &self,
        id_token: &SecretString,
    ) -> Result<(ExternalPerson, TokenDigest), Unproven> {
        let claims = self.provider.verify(id_token).await?;
        let nonce = nonce_of(&claims).ok_or(Unproven::UnknownNonce)?.digest();
        Ok((self.judge(claims)?, nonce))
    }

    /// Puts a refusal on record before it is answered.
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
