//! Returning from the provider with a code.
//!
//! The flow is used up first, in a separate unit: a second return with the same state finds no flow, and the
//! provider is not asked. If the provider turns out to be unreachable, the flow is released, so that the person can
//! retry later.

use authentication_domain::{audit::Action, federation::ExternalPerson, opaque_token::OpaqueToken};
use common::access::Role;
use secrecy::SecretString;

use super::{
    EnterError, Entered, Federation, Once, Unproven,
    enter::{Arrival, role_of_newcomer},
    open_flow,
};
use crate::{
    RequestContext, measured,
    ports::{CodeGrant, FlowReturn, MovesSeen, ProviderError, StoreError},
    recorder::Act,
    retry::retrying,
};

/// What a person returned with.
#[derive(Debug)]
pub struct CompleteFlow {
    /// The authorization code.
    pub code: SecretString,
    /// `state`, as the provider returned it.
    pub state: OpaqueToken,
    /// The binding, as the client kept it.
    pub binding: OpaqueToken,
    /// The issuer that claims to have issued the code (RFC 9207), if the response names one.
    pub issuer: Option<String>,
    /// The role for a new account.
    pub role: Option<Role>,
}

impl Federation {
    /// Completes a flow (`POST /auth/providers/{name}/callback`).
    ///
    /// # Errors
    /// [`EnterError`].
    #[tracing::instrument(skip_all)]
    pub async fn complete_flow(
        &self,
        command: &CompleteFlow,
        ctx: &RequestContext,
    ) -> Result<Entered, EnterError> {
        let done = self.complete_once(command, ctx).await;
        self.note_sign_in(measured::of_entered(&done));
        done
    }

    async fn complete_once(
        &self,
        command: &CompleteFlow,
        ctx: &RequestContext,
    ) -> Result<Entered, EnterError> {
        let role = role_of_newcomer(command.role)?;
        let proven = self.come_back(command).await;
        let by_nobody = |outcome| Act::of_nobody(Action::SignIn, outcome).at_provider(self.name());
        let (person, seen) = self.noted(proven, by_nobody, ctx).await?;
        let arrival = Arrival {
            person,
            once: Once::UsedUp(seen),
            role,
            // Not repeatable: the flow was used up before the provider was asked, and its code is valid only once
            // as well.
            presented: None,
        };
        self.enter(&arrival, ctx).await
    }

    /// Uses up the flow and redeems the code. Returns the person that the provider vouches for, and the account
    /// changes that had committed when the flow was begun.
    async fn come_back(
        &self,
        command: &CompleteFlow,
    ) -> Result<(ExternalPerson, MovesSeen), Unproven> {
        let base = &self.base;
        let now = base.clock.now();
        let (state, binding) = (command.state.digest(), command.binding.digest());
        let flow = retrying(|| async {
            let mut unit = base.store.begin().await?;
            let brought = FlowReturn {
                provider: self.name(),
                state,
                binding,
                now,
            };
            let claimed = unit.federation().claim_flow(brought).await?;
            unit.commit().await?;
            Ok::<_, StoreError>(claimed)
        })
        .await?
        .ok_or(Unproven::InvalidState)?;
        let payload = open_flow(base, &command.state, &flow.payload)?;
        let verifier = payload.verifier();
        let grant = CodeGrant {
            code: &command.code,
            issuer: command.issuer.as_deref(),
            redirect_uri: &payload.redirect_uri,
            verifier: &verifier,
        };
        let claims = match self.provider.redeem(&grant).await {
            Ok(claims) => claims,
            Err(error) => {
                if matches!(error, ProviderError::Unavailable { .. }) {
                    self.give_back(state, now).await?;
                }
                return Err(error.into());
            }
        };
        // Both are digests of random nonces of this service: the timing of the comparison reveals nothing useful.
        let same_nonce = super::nonce_of(&claims)
            .zip(OpaqueToken::from_client(payload.nonce.clone()))
            .is_some_and(|(told, asked)| told.digest() == asked.digest());
        if !same_nonce {
            return Err(Unproven::UnknownNonce);
        }
        Ok((self.judge(claims)?, flow.seen))
    }

    async fn give_back(
        &self,
        state: authentication_domain::opaque_token::TokenDigest,
        claimed_at: time::OffsetDateTime,
    ) -> Result<(), StoreError> {
        let base = &self.base;
        retrying(|| async {
            let mut unit = base.store.begin().await?;
            unit.federation().release_flow(state, claimed_at).await?;
            unit.commit().await
        })
        .await
    }
}
