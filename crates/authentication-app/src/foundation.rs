//! What all use cases share: the ports, and the rules of the policy.

use std::sync::Arc;

use authentication_domain::{
    accounts::{AccountId, IdentifierRules},
    challenges::ChallengeRules,
    credentials::PasswordPolicy,
    federation::FederationRules,
    mfa::SecondFactorRules,
    passkeys::PasskeyRules,
    protection::LockoutRules,
    sessions::{DeviceId, RotationRules, SessionRules},
};
use common::{Clock, SecureRandom, random};
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::{
    RequestContext,
    accounts::People,
    ports::{
        IdentifierIndex, IdentityStore, Invalidation, Macs, Meter, PasswordHasher, RelyingParty,
        SessionSnapshot, StoreError, TokenSigner, TotpCodes, UnitOfWork, Vault,
    },
    sessions::Liveness,
};

/// The rules of the policy. Their defaults are in the domain; configuration may change some.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// New passwords.
    pub passwords: PasswordPolicy,
    /// One-time codes.
    pub challenges: ChallengeRules,
    /// Session lengths and counts.
    pub sessions: SessionRules,
    /// Refresh tokens.
    pub rotation: RotationRules,
    /// Failed sign-ins.
    pub lockout: LockoutRules,
    /// Second factors.
    pub second_factors: SecondFactorRules,
    /// Changes of identifiers, links in notices, and reassigned numbers.
    pub identifiers: IdentifierRules,
    /// Passkeys.
    pub passkeys: PasskeyRules,
    /// Signing in through a provider.
    pub federation: FederationRules,
}

/// The ports, built once by the composition root and shared by all services.
pub struct Foundation {
    /// The relational store.
    pub store: Arc<dyn IdentityStore>,
    /// The cache of live sessions.
    pub liveness: Liveness,
    /// The cache of people as other contexts see them.
    pub people: People,
    /// Password hashing.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Field encryption.
    pub vault: Arc<dyn Vault>,
    /// Blind index of identifiers.
    pub index: Arc<dyn IdentifierIndex>,
    /// MACs and codes.
    pub macs: Arc<dyn Macs>,
    /// Codes of authenticator apps.
    pub totp: Arc<dyn TotpCodes>,
    /// Access tokens.
    pub signer: Arc<dyn TokenSigner>,
    /// The WebAuthn relying party.
    pub relying_party: Arc<dyn RelyingParty>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn SecureRandom>,
    /// The receiver of metrics.
    pub meter: Arc<dyn Meter>,
    /// Wakes the worker that sends messages before its next regular round.
    pub messages_queued: Arc<Notify>,
    /// The rules of the policy.
    pub rules: Rules,
}

impl Foundation {
    /// `N` unpredictable bytes.
    pub(crate) fn random_bytes<const N: usize>(&self) -> [u8; N] {
        random::bytes(self.random.as_ref())
    }

    /// Begins a unit that changes what opens an account, and [holds](crate::ports::AccountRepository::hold) the
    /// account.
    pub(crate) async fn begin_change(
        &self,
        account: AccountId,
    ) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let mut unit = self.store.begin().await?;
        unit.accounts().hold(account).await?;
        Ok(unit)
    }

    /// Begins a unit for an act through a session, and locks the account and the session. Fails if, since the
    /// request was authenticated, the session ended or a proof replaced its token.
    pub(crate) async fn begin_as(
        &self,
        who: &SessionSnapshot,
        now: OffsetDateTime,
    ) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let mut unit = self.store.begin().await?;
        self.hold_session(unit.as_mut(), who, now).await?;
        Ok(unit)
    }

    /// The same as [`Self::begin_as`] for an existing unit. Returns the account's version.
    pub(crate) async fn hold_session(
        &self,
        unit: &mut dyn UnitOfWork,
        who: &SessionSnapshot,
        now: OffsetDateTime,
    ) -> Result<i64, StoreError> {
        unit.accounts().hold(who.owner.account.id).await?;
        let held = unit
            .sessions()
            .hold(who.session, who.presented_generation, now)
            .await?;
        held.ok_or(StoreError::SessionOver)
    }

    /// The current state of the session, if it may still act: the request's snapshot may be a second old.
    pub(crate) async fn as_of_now(
        &self,
        who: &SessionSnapshot,
        now: OffsetDateTime,
    ) -> Result<SessionSnapshot, StoreError> {
        let found = self.store.find_snapshot(who.session, now).await?;
        found
            .filter(|fresh| fresh.proven_generation <= who.presented_generation)
            .ok_or(StoreError::SessionOver)
    }

    /// Commits, and then publishes the invalidation.
    ///
    /// The invalidation is published even if the commit reports an error: it may have succeeded although its
    /// response was lost, and a repeated request would find nothing to invalidate. An unnecessary invalidation
    /// costs only another read of the store.
    pub(crate) async fn commit_and_tell(
        &self,
        unit: Box<dyn UnitOfWork>,
        invalidation: &Invalidation,
    ) -> Result<(), StoreError> {
        let committed = unit.commit().await;
        self.liveness.revoke(invalidation).await;
        committed
    }

    /// The request's device, if it is stored as one of the account's and its token is valid.
    pub(crate) fn known_device(
        &self,
        account: AccountId,
        stored: Option<DeviceId>,
        ctx: &RequestContext,
    ) -> Option<DeviceId> {
        let token = ctx.device_token.as_ref()?;
        let known = stored == Some(token.device) && self.macs.is_our_device_token(token, account);
        known.then_some(token.device)
    }
}

/// The error for a stored value that cannot be opened or parsed.
pub(crate) const fn corrupt(table: &'static str, column: &'static str) -> StoreError {
    StoreError::Corrupt { table, column }
}
