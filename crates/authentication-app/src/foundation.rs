//! What every use case stands on: the ports, and the numbers of the policy.

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

/// The numbers of the policy. Each stands in the domain; configuration may move some.
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
    /// Changes of identifiers, links in notices, silent numbers.
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
    /// Live sessions, cached.
    pub liveness: Liveness,
    /// People as other contexts see them, cached.
    pub people: People,
    /// Password hashing.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Field encryption.
    pub vault: Arc<dyn Vault>,
    /// Blind index of identifiers.
    pub index: Arc<dyn IdentifierIndex>,
    /// Macs and codes.
    pub macs: Arc<dyn Macs>,
    /// Codes of authenticator apps.
    pub totp: Arc<dyn TotpCodes>,
    /// Access tokens.
    pub signer: Arc<dyn TokenSigner>,
    /// Passkeys, as their format has them.
    pub relying_party: Arc<dyn RelyingParty>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
    /// Whoever watches how the service does.
    pub meter: Arc<dyn Meter>,
    /// Wakes the worker that sends messages, so that nobody waits for its next round.
    pub messages_queued: Arc<Notify>,
    /// The numbers.
    pub rules: Rules,
}

impl Foundation {
    /// `N` unpredictable bytes.
    pub(crate) fn random_bytes<const N: usize>(&self) -> [u8; N] {
        random::bytes(self.random.as_ref())
    }

    /// Begins a unit that changes what opens an account, which it [holds](crate::ports::AccountRepository::hold).
    pub(crate) async fn begin_change(
        &self,
        account: AccountId,
    ) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let mut unit = self.store.begin().await?;
        unit.accounts().hold(account).await?;
        Ok(unit)
    }

    /// Begins a unit of an act through a session, which it holds together with its account: a session that ended, or a
    /// token that a proof replaced, since the request was let in changes nothing.
    pub(crate) async fn begin_as(
        &self,
        who: &SessionSnapshot,
        now: OffsetDateTime,
    ) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let mut unit = self.store.begin().await?;
        self.hold_session(unit.as_mut(), who, now).await?;
        Ok(unit)
    }

    /// What [`Self::begin_as`] does, for a unit that has begun. Answers with the version of the account.
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

    /// The session as it is now, if it may still act: what was shown to the request may be a second old.
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

    /// Commits, and makes known what is not true any more from there on.
    ///
    /// Whatever came of it: when the answer of a COMMIT is lost it may be true all the same, and whoever
    /// repeats the request finds it done and tells nobody. A cache that is told of what did not happen asks
    /// the store once more.
    pub(crate) async fn commit_and_tell(
        &self,
        unit: Box<dyn UnitOfWork>,
        invalidation: &Invalidation,
    ) -> Result<(), StoreError> {
        let committed = unit.commit().await;
        self.liveness.revoke(invalidation).await;
        committed
    }

    /// The device of the request, if the store knows it as the account's and its token is ours.
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

/// A stored value that does not open or read.
pub(crate) const fn corrupt(table: &'static str, column: &'static str) -> StoreError {
    StoreError::Corrupt { table, column }
}
