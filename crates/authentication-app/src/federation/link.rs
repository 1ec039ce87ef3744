//! Linking an identity to one's own account: requires proof from both sides, the session and the provider.

use authentication_domain::{
    audit::{Action, Outcome},
    events::Event,
    federation::{ExternalPerson, ProviderName},
    opaque_token::TokenDigest,
};
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;

use super::{Federation, Unproven};
use crate::{
    RequestContext,
    ports::{
        DataKey, FederatedIdentityRecord, Invalidation, MessageKind, NonceUse, SessionSnapshot,
        StoreError, UniqueRule, UnitOfWork,
    },
    recorder::Act,
    retry::{retry_on_store_error, retrying},
    single_use::{Presented, SingleUse, SingleUseError},
};

/// What the provider gave to the client.
#[derive(Debug)]
pub struct LinkIdentity {
    /// The ID token.
    pub id_token: SecretString,
}

/// Why nothing was linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The ID token is not valid, or not for this service.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The identity opens another account, or another identity at the same provider opens this one.
    #[error("another identity or account is linked already")]
    AlreadyLinked,
    /// The account changed while the provider was asked, or the session ended. After a password reset, for
    /// instance, the person who asks may no longer be the owner.
    #[error("the account changed meanwhile")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(LinkError);

/// An identity to be linked.
struct Linking<'a> {
    person: &'a ExternalPerson,
    nonce: TokenDigest,
    /// Where the response is recorded.
    presented: &'a Presented,
}

impl SingleUseError for LinkError {
    fn used_up() -> Self {
        Self::Unproven(Unproven::UnknownNonce)
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Unproven(Unproven::UnknownNonce))
    }
}

impl Federation {
    /// Links an identity to the session's account, beside those at other providers (`POST /me/providers/{name}`).
    /// Its address may differ from the account's. The nonce must have been issued in this session, so that a token
    /// issued for another session or client links nothing. Linking an already linked identity changes nothing. The
    /// caller has verified that the sign-in is recent.
    ///
    /// # Errors
    /// [`LinkError`].
    #[tracing::instrument(skip_all)]
    pub async fn link(
        &self,
        who: &SessionSnapshot,
        command: &LinkIdentity,
        ctx: &RequestContext,
    ) -> Result<(), LinkError> {
        let proven = self.prove(&command.id_token).await;
        let key = self.base.data_key(&who.owner)?;
        let theirs = |outcome| self.linking(who, &key, outcome);
        let (person, nonce) = self.noted(proven, theirs, ctx).await?;
        let token = command.id_token.expose_secret().as_bytes();
        let session = who.session.as_uuid();
        let came_back = [token, session.as_bytes().as_slice()];
        let presented = Presented::new(SingleUse::LinkNonce, nonce, &came_back, ctx);
        let linking = Linking {
            person: &person,
            nonce,
            presented: &presented,
        };
        let done = retrying(|| self.link_once(who, &linking, ctx)).await;
        let again = async |()| {
            let (base, digest) = (&self.base, self.base.digest_of(&person.identity));
            let linked = base.store.identities_of(who.owner.account.id).await?;
            // It may have been unlinked since.
            Ok(linked.iter().any(|it| it.digest == digest).then_some(()))
        };
        self.base.settle_once(&presented, done, again).await
    }

    async fn link_once(
        &self,
        who: &SessionSnapshot,
        linking: &Linking<'_>,
        ctx: &RequestContext,
    ) -> Result<(), LinkError> {
        let Linking {
            person,
            nonce,
            presented,
        } = *linking;
        let base = &self.base;
        let now = base.clock.now();
        let account = who.owner.account.id;
        let key = base.data_key(&who.owner)?;
        let digest = base.digest_of(&person.identity);
        let linked = base.store.identities_of(account).await?;
        let is_this = |it: &&FederatedIdentityRecord| it.digest == digest;
        let is_there = |it: &&FederatedIdentityRecord| it.provider == self.name();
        // It may be linked under an earlier name of its provider.
        let linked = linked
            .iter()
            .find(is_this)
            .or_else(|| linked.iter().find(is_there));
        let mut unit = base.begin_as(who, now).await?;
        let nonce_use = in_session(self.name(), who, nonce, ctx, now);
        if !unit.federation().use_nonce(nonce_use).await? {
            drop(unit);
            let unknown = Unproven::UnknownNonce;
            let theirs = |outcome| self.linking(who, &key, outcome);
            return Ok(self.noted(Err(unknown), theirs, ctx).await?);
        }
        base.record_single_use(unit.as_mut(), presented, &(), now)
            .await?;
        match linked {
            Some(linked) if linked.digest == digest => {
                unit.commit().await?;
                return Ok(());
            }
            Some(_) => {
                drop(unit);
                return Err(self.refuse_link(who, nonce, ctx).await?);
            }
            None => {}
        }
        let identity = base.new_identity(self.name(), &person.identity, (account, &key), now);
        match unit.federation().link(&identity).await {
            Ok(()) => {}
            Err(StoreError::Conflict(UniqueRule::FederatedIdentity)) => {
                drop(unit);
                return Err(self.refuse_link(who, nonce, ctx).await?);
            }
            Err(error) => return Err(error.into()),
        }
        let version = who.owner.account.version;
        if !unit.accounts().advance(account, version, now).await? {
            return Err(LinkError::Conflict);
        }
        let provider = self.name();
        let act = self.linking(who, &key, Outcome::Success);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let event = base.event(Event::IdentityLinked { account, provider }, ctx, now);
        unit.outbox().append_events(&[event]).await?;
        let notice = MessageKind::CredentialAdded(self.credential());
        base.notice(unit.as_mut(), notice, account, ctx, now)
            .await?;
        base.commit_and_tell(unit, &Invalidation::of_account(account))
            .await?;
        base.messages_queued.notify_one();
        Ok(())
    }

    /// The failed statement has aborted its unit, so the refusal is recorded in a separate one.
    async fn refuse_link(
        &self,
        who: &SessionSnapshot,
        nonce: TokenDigest,
        ctx: &RequestContext,
    ) -> Result<LinkError, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let key = base.data_key(&who.owner)?;
        let entry = base.record(&self.linking(who, &key, ALREADY_LINKED), ctx, now);
        let mut unit: Box<dyn UnitOfWork> = base.store.begin().await?;
        let nonce_use = in_session(self.name(), who, nonce, ctx, now);
        unit.federation().use_nonce(nonce_use).await?;
        unit.audit().append(&[entry]).await?;
        unit.commit().await?;
        Ok(LinkError::AlreadyLinked)
    }
}

/// The use of a nonce in a session. It must have been issued in this session, under the current version of the
/// account.
pub(crate) fn in_session(
    provider: ProviderName,
    who: &SessionSnapshot,
    digest: TokenDigest,
    ctx: &RequestContext,
    now: OffsetDateTime,
) -> NonceUse {
    NonceUse {
        provider,
        digest,
        device: ctx.claimed_device(),
        session: Some(who.session),
        account: Some(who.owner.account.id),
        now,
    }
}

const ALREADY_LINKED: Outcome = Outcome::Refused("already_linked");

impl Federation {
    fn linking<'a>(&self, who: &SessionSnapshot, key: &'a DataKey, outcome: Outcome) -> Act<'a> {
        Act::of(Action::IdentityLinked, outcome, who.owner.account.id, key)
            .session(who.session)
            .at_provider(self.name())
    }
}
