//! Beginning a sign-in: a nonce for a client that presents an ID token, or a flow for one that is sent to the
//! provider.

use std::fmt;

use authentication_domain::{opaque_token::OpaqueToken, sessions::SessionId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::{Federation, seal_flow};
use crate::{
    RequestContext,
    ports::{
        AuthorizationRequest, NewFlow, NewNonce, ProviderError, ServicePurpose, SessionSnapshot,
        StoreError,
    },
    retry::{retry_on_store_error, retrying},
};

pub(super) const PURPOSE: ServicePurpose = ServicePurpose::FederationFlow;

/// What the return to a flow needs. Sealed; the client never sees the verifier.
#[derive(Serialize, Deserialize)]
pub(super) struct FlowPayload {
    pub(super) redirect_uri: String,
    pub(super) nonce: String,
    verifier: String,
}

impl FlowPayload {
    pub(super) fn verifier(&self) -> SecretString {
        self.verifier.clone().into()
    }
}

impl Drop for FlowPayload {
    fn drop(&mut self) {
        self.verifier.zeroize();
    }
}

/// A flow as the client gets it: what it takes to the provider, and what it keeps.
pub struct BegunFlow {
    /// The address that the person is sent to.
    pub authorization_url: String,
    /// Returned by the provider.
    pub state: OpaqueToken,
    /// Kept by the client that began the flow, so that an attacker's injected code comes without it.
    pub binding: OpaqueToken,
}

impl fmt::Debug for BegunFlow {
    /// The address contains state and nonce.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BegunFlow(…)")
    }
}

/// Why no flow was begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginFlowError {
    /// The code flow is not configured.
    #[error("the code flow is not configured")]
    NotConfigured,
    /// Only listed redirect addresses are allowed.
    #[error("the redirect URI is not one of the allowed")]
    RedirectNotAllowed,
    /// The provider is unavailable or untrustworthy.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(BeginFlowError);

impl Federation {
    /// Issues a nonce for an ID token that signs in (`POST /auth/providers/{name}/options`). It is valid once, for
    /// ten minutes, at this provider, and only from the device to which it was issued, if the request named one.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn issue_nonce(&self, ctx: &RequestContext) -> Result<OpaqueToken, StoreError> {
        self.keep_new_nonce(None, ctx).await
    }

    /// Issues a nonce for an ID token that is presented in a session (`POST /me/providers/{name}/options`), to link
    /// an identity or to re-authenticate. It is valid once, for ten minutes, only in that session and at this
    /// provider, and cannot sign in.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn issue_nonce_in_session(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<OpaqueToken, StoreError> {
        self.keep_new_nonce(Some(who.session), ctx).await
    }

    async fn keep_new_nonce(
        &self,
        session: Option<SessionId>,
        ctx: &RequestContext,
    ) -> Result<OpaqueToken, StoreError> {
        let base = &self.base;
        let nonce = OpaqueToken::from_random(base.random_bytes());
        let row = NewNonce {
            provider: self.name(),
            digest: nonce.digest(),
            device: ctx.claimed_device(),
            session,
            expires_at: base.clock.now() + base.rules.federation.nonce_lifetime,
        };
        retrying(|| async {
            let mut unit = base.store.begin().await?;
            unit.federation().keep_nonce(&row).await?;
            unit.commit().await
        })
        .await?;
        Ok(nonce)
    }

    /// Begins a flow and returns where to send the person (`POST /auth/providers/{name}/authorize`). The PKCE
    /// verifier stays in the service; of the nonce only the flow's own record is believed.
    ///
    /// # Errors
    /// [`BeginFlowError`]; nothing is stored then.
    #[tracing::instrument(skip_all)]
    pub async fn begin_flow(&self, redirect_uri: &str) -> Result<BegunFlow, BeginFlowError> {
        let base = &self.base;
        if self.policy.redirect_uris.is_empty() {
            return Err(BeginFlowError::NotConfigured);
        }
        // Exact string comparison (RFC 9700 §4.1.3): our parser and a browser's cannot disagree.
        if !self
            .policy
            .redirect_uris
            .iter()
            .any(|it| it == redirect_uri)
        {
            return Err(BeginFlowError::RedirectNotAllowed);
        }
        let state = OpaqueToken::from_random(base.random_bytes());
        let binding = OpaqueToken::from_random(base.random_bytes());
        let payload = FlowPayload {
            redirect_uri: redirect_uri.to_owned(),
            nonce: OpaqueToken::from_random(base.random_bytes())
                .expose()
                .to_owned(),
            verifier: new_verifier(base.random_bytes()).expose_secret().to_owned(),
        };
        let authorization_url = self
            .provider
            .authorization_url(&AuthorizationRequest {
                redirect_uri,
                state: state.expose(),
                nonce: &payload.nonce,
                verifier: &payload.verifier(),
            })
            .await?;
        let row = NewFlow {
            provider: self.name(),
            state: state.digest(),
            binding: binding.digest(),
            payload: seal_flow(base, &state, &payload),
            expires_at: base.clock.now() + base.rules.federation.flow_lifetime,
        };
        retrying(|| async {
            let mut unit = base.store.begin().await?;
            unit.federation().keep_flow(&row).await?;
            unit.commit().await
        })
        .await?;
        Ok(BegunFlow {
            authorization_url,
            state,
            binding,
        })
    }
}

/// A PKCE verifier: 256 bits in 64 characters that RFC 7636 §4.1 allows.
fn new_verifier(bytes: [u8; 32]) -> SecretString {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}
