//! Beginning a session: the last step of every sign-in.

use authentication_domain::{
    accounts::AccountId,
    events::Event,
    sessions::{AccessClaims, DeviceId, EndReason, SessionId},
};
use common::{
    Id,
    access::{Proofs, Roles},
};
use secrecy::SecretString;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Recording;
use crate::{
    Foundation, RequestContext,
    accounts::{AccountView, OpenedAccount},
    ports::{
        EventEnvelope, FieldContext, Invalidation, NewSession, RotatedSession, SigningFailed,
        StoreError, UnitOfWork,
    },
    protection::whole_seconds,
};

/// The tokens of a session, as the client gets them.
#[derive(Debug)]
pub struct TokenSet {
    /// The access token, a JWT.
    pub access_token: SecretString,
    /// The access token's lifetime in seconds.
    pub expires_in_seconds: u32,
    /// The refresh token, for the next rotation.
    pub refresh_token: SecretString,
    /// How long the refresh token is valid unless used, in seconds.
    pub refresh_expires_in_seconds: u32,
    /// The session's id.
    pub session: SessionId,
}

/// The result of a completed sign-in.
#[derive(Debug)]
pub struct SignedIn {
    /// The person's account.
    pub account: AccountView,
    /// The tokens of the new session.
    pub tokens: TokenSet,
    /// The token of the device they signed in from.
    pub device_token: SecretString,
}

/// A sign-in whose proof was accepted.
pub(crate) struct SignIn<'a> {
    pub(crate) owner: &'a OpenedAccount,
    /// The known device, to be kept instead of creating a new one.
    pub(crate) device: Option<DeviceId>,
    pub(crate) proofs: Proofs,
    /// Until when the device may skip the second factor from now on.
    pub(crate) remember_until: Option<OffsetDateTime>,
    /// Whether consecutive failures may be counted for the identifier; the sign-in clears them.
    pub(crate) failures_in_a_row: bool,
    /// Where the response is recorded, if the proof can be used only once.
    pub(crate) recording: Option<Recording<'a>>,
}

/// A session that exists once the unit commits.
pub(crate) struct StartedSession {
    pub(crate) session: SessionId,
    superseded: Vec<SessionId>,
    tokens: TokenSet,
    device_token: SecretString,
}

/// What tokens are made from.
pub(crate) struct TokenBasis {
    pub(crate) account: AccountId,
    pub(crate) session: SessionId,
    pub(crate) roles: Roles,
    pub(crate) proofs: Proofs,
    pub(crate) refresh_key_id: String,
    pub(crate) generation: u32,
    pub(crate) idle_deadline: OffsetDateTime,
    pub(crate) absolute_deadline: OffsetDateTime,
}

impl TokenBasis {
    /// The basis for a session that was just rotated or renewed.
    pub(crate) fn of(rotated: RotatedSession, session: SessionId) -> Self {
        Self {
            account: rotated.account,
            session,
            roles: rotated.roles,
            proofs: rotated.proofs,
            refresh_key_id: rotated.refresh_key_id,
            generation: rotated.generation,
            idle_deadline: rotated.idle_deadline,
            absolute_deadline: rotated.absolute_deadline,
        }
    }
}

impl Foundation {
    /// Inserts the session and its device, records the sessions that it supersedes, and makes the tokens.
    pub(crate) async fn begin_session(
        &self,
        unit: &mut dyn UnitOfWork,
        sign_in: &SignIn<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<StartedSession, BeginError> {
        let account = &sign_in.owner.view.account;
        let rules = &self.rules.sessions;
        let limits = rules.limits_for(account.roles);
        let device = sign_in
            .device
            .unwrap_or_else(|| Id::at(now, self.random.as_ref()));
        let id: SessionId = Id::at(now, self.random.as_ref());
        let origin = serde_json::to_vec(&ctx.origin).unwrap_or_default();
        let session = NewSession {
            id,
            account: account.id,
            account_version: account.version,
            device,
            refresh_key_id: self.macs.current_refresh_key(),
            proofs: sign_in.proofs,
            origin: self
                .vault
                .seal(&sign_in.owner.key, origin_field(id.as_uuid()), &origin),
            created_at: now,
            idle: limits.idle,
            absolute_deadline: now + limits.absolute,
        };
        let tokens = self.tokens_for(
            &TokenBasis {
                account: account.id,
                session: id,
                roles: account.roles,
                proofs: session.proofs,
                refresh_key_id: session.refresh_key_id.clone(),
                generation: 0,
                idle_deadline: limits.idle_deadline(now, session.absolute_deadline),
                absolute_deadline: session.absolute_deadline,
            },
            now,
        )?;
        unit.devices()
            .remember(account.id, device, rules.most_devices, now)
            .await?;
        if let Some(until) = sign_in.remember_until {
            unit.devices()
                .remember_until(account.id, device, until)
                .await?;
        }
        let superseded = unit
            .sessions()
            .begin(&session, rules.most_per_account)
            .await?;
        let owner = (account.id, &sign_in.owner.key);
        self.record_ended(unit, owner, &superseded, EndReason::Superseded, ctx, now)
            .await?;
        Ok(StartedSession {
            session: id,
            superseded,
            tokens,
            device_token: self.macs.device_token(device, account.id),
        })
    }

    /// The event that announces a new session to other systems.
    pub(crate) fn session_started(
        &self,
        started: &StartedSession,
        account: AccountId,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> EventEnvelope {
        let session = started.session;
        self.event(Event::SessionStarted { account, session }, ctx, now)
    }

    /// Commits and invalidates the superseded sessions in every cache; returns the tokens for the client.
    pub(crate) async fn complete(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        started: StartedSession,
        account: AccountView,
        recording: Option<Recording<'_>>,
        now: OffsetDateTime,
    ) -> Result<SignedIn, StoreError> {
        let handed_out = (&started.tokens, &started.device_token);
        self.record_session(unit.as_mut(), recording, handed_out, now)
            .await?;
        let superseded = Invalidation::of_sessions(started.superseded);
        self.commit_and_tell(unit, &superseded).await?;
        Ok(SignedIn {
            account,
            tokens: started.tokens,
            device_token: started.device_token,
        })
    }

    /// Makes the tokens of a session.
    pub(crate) fn tokens_for(
        &self,
        basis: &TokenBasis,
        now: OffsetDateTime,
    ) -> Result<TokenSet, SigningFailed> {
        let limits = self.rules.sessions.limits_for(basis.roles);
        let policy = &self.rules.second_factors;
        let claims = AccessClaims {
            account: basis.account,
            session: basis.session,
            generation: basis.generation,
            roles: policy.counting(basis.roles, basis.proofs),
            references: basis.proofs.references(),
            authenticated_at: basis.proofs.authenticated_at(),
            issued_at: now,
            expires_at: limits.access_token_expiry(now, basis.absolute_deadline),
        };
        let refresh_token = self
            .macs
            .refresh_token(&basis.refresh_key_id, basis.session, basis.generation)
            .ok_or(SigningFailed)?;
        Ok(TokenSet {
            access_token: self.signer.sign(&claims)?,
            expires_in_seconds: whole_seconds(claims.expires_at - now),
            refresh_token,
            refresh_expires_in_seconds: whole_seconds(basis.idle_deadline - now),
            session: basis.session,
        })
    }
}

/// The field context of a session's origin.
pub(crate) const fn origin_field(session: Uuid) -> FieldContext {
    FieldContext {
        table: "sessions",
        column: "origin",
        row: session,
    }
}

/// Why no session began.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    #[error(transparent)]
    Store(#[from] StoreError),
}
