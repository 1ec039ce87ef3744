//! Beginning: a nonce for a client that brings an ID token, or a flow for one that is sent to the provider.

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

/// What a flow comes back to. Sealed; the client never sees the verifier.
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

/// What a client takes to the provider, and what it keeps.
pub struct BegunFlow {
    /// Where the person is sent.
    pub authorization_url: String,
    /// Comes back with them.
    pub state: OpaqueToken,
    /// Stays with the client that began it: a code that somebody else slips in comes without.
    pub binding: OpaqueToken,
}

impl fmt::Debug for BegunFlow {
    /// The address has state and nonce in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BegunFlow(…)")
    }
}

/// Why no flow begins.
#[derive(Debug, thiserror::Error)]
pub enum BeginFlowError {
    /// The code flow is not configured.
    #[error("the code flow is not configured")]
    NotConfigured,
    /// People come back to addresses that are listed, and to no other.
    #[error("the redirect URI is not one of the allowed")]
    RedirectNotAllowed,
    /// The provider is away, or not to be trusted.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(BeginFlowError);

impl Federation {
    /// A nonce for an ID token that signs in (`POST /auth/providers/{name}/options`). It counts for ten minutes, once,
    /// at this provider, and only from the device that it was given to, if the request named one.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn issue_nonce(&self, ctx: &RequestContext) -> Result<OpaqueToken, StoreError> {
        self.keep_new_nonce(None, ctx).await
    }

    /// A nonce for an ID token that is brought in a session (`POST /me/providers/{name}/options`), to link an identity
    /// or to prove again who one is. It counts in that session and at this provider alone, for ten minutes, once, and
    /// signs nobody in.
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

    /// Where to send a person (`POST /auth/providers/{name}/authorize`). State, nonce and PKCE verifier stay here.
    ///
    /// # Errors
    /// [`BeginFlowError`]; nothing is kept then.
    #[tracing::instrument(skip_all)]
    pub async fn begin_flow(&self, redirect_uri: &str) -> Result<BegunFlow, BeginFlowError> {
        let base = &self.base;
        if self.policy.redirect_uris.is_empty() {
            return Err(BeginFlowError::NotConfigured);
        }
        // To the letter (RFC 9700 §4.1.3): no parser of ours and of a browser can read it differently.
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

/// 256 bits in 64 characters that RFC 7636 §4.1 allows.
fn new_verifier(bytes: [u8; 32]) -> SecretString {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}
