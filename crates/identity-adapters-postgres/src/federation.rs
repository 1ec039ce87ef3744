//! Identities at OpenID providers, and sign-ins in progress there.

use async_trait::async_trait;
use authentication_app::ports::{
    ClaimedFlow, FederationRepository, FlowReturn, MovesSeen, NewFederatedIdentity, NewFlow,
    NewNonce, NonceUse, StoreError,
};
use authentication_domain::{
    accounts::AccountId,
    federation::{FederationRules, ProviderName},
    opaque_token::TokenDigest,
};
use common::clock::SKEW;
use time::OffsetDateTime;

use crate::{
    accounts::{moved_since, moves_now},
    dialect::Dialect,
    sql::Sql,
    unit_of_work::SqlUnitOfWork,
};

pub(crate) const IDENTITIES: &str = "federated_identities";
const FLOWS: &str = "federation_flows";

const KEEP_NONCE: &str = concat!(
    "INSERT INTO federation_nonces (digest, device_id, session_id, expires_at, provider, moves_seen) \
     VALUES ($1, $2, $3, $4, $5, ",
    moves_now!("(SELECT account_id FROM sessions WHERE id = $3)"),
    ")"
);

/// By the primary key. `$1` digest, `$2` device, `$3` now, `$4` session, `$5` account, `$6` the latest expiry of a
/// nonce that was made by now, `$7` provider. A nonce without a device is valid for any device. A nonce with a session
/// is valid in that session only, one without a session only outside of sessions.
const USE_NONCE: &str = concat!(
    "UPDATE federation_nonces SET used_at = $3 \
     WHERE digest = $1 AND used_at IS NULL AND expires_at > $3 AND expires_at <= $6 AND provider = $7 \
     AND (device_id IS NULL OR device_id = $2) \
     AND (session_id = $4 OR (session_id IS NULL AND $4 IS NULL)) AND NOT ",
    moved_since!("$5", "federation_nonces.moves_seen")
);

const KEEP_FLOW: &str = concat!(
    "INSERT INTO federation_flows (state, binding, payload, expires_at, provider, moves_seen) \
     VALUES ($1, $2, $3, $4, $5, ",
    moves_now!(),
    ")"
);

/// By the primary key. `$1` state, `$2` binding, `$3` now, `$4` the latest expiry of a flow that was begun by now,
/// `$5` provider.
const CLAIM_FLOW: &str = "UPDATE federation_flows SET claimed_at = $3 \
     WHERE state = $1 AND binding = $2 AND claimed_at IS NULL AND expires_at > $3 AND expires_at <= $4 \
     AND provider = $5 \
     RETURNING payload, moves_seen";

const RELEASE_FLOW: &str =
    "UPDATE federation_flows SET claimed_at = NULL WHERE state = $1 AND claimed_at = $2";

const LINK: &str = "INSERT INTO federated_identities (id, account_id, digest, identity, linked_at, provider) \
     VALUES ($1, $2, $3, $4, $5, $6)";

/// By `federated_identities_digest_key`. `$1` digest, `$2` account.
macro_rules! opens {
    ($lock:literal) => {
        concat!(
            "SELECT id FROM federated_identities WHERE digest = $1 AND account_id = $2",
            $lock
        )
    };
}

/// By `federated_identities_account_id_provider_key`.
const UNLINK: &str = "DELETE FROM federated_identities WHERE account_id = $1 AND provider = $2";

#[async_trait]
impl FederationRepository for SqlUnitOfWork {
    #[tracing::instrument(name = "federation.keep_nonce", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn keep_nonce(&mut self, nonce: &NewNonce) -> Result<(), StoreError> {
        Sql::new(KEEP_NONCE)
            .bind(&nonce.digest)
            .bind(&nonce.device)
            .bind(&nonce.session)
            .bind(&nonce.expires_at)
            .bind(&nonce.provider)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "federation.use_nonce", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn use_nonce(&mut self, nonce: NonceUse) -> Result<bool, StoreError> {
        let used = Sql::new(USE_NONCE)
            .bind(&nonce.digest)
            .bind(&nonce.device)
            .bind(&nonce.now)
            .bind(&nonce.session)
            .bind(&nonce.account)
            .bind(&(nonce.now + FederationRules::LONGEST + SKEW))
            .bind(&nonce.provider)
            .execute(self)
            .await?;
        Ok(used == 1)
    }

    #[tracing::instrument(name = "federation.keep_flow", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn keep_flow(&mut self, flow: &NewFlow) -> Result<(), StoreError> {
        Sql::new(KEEP_FLOW)
            .bind(&flow.state)
            .bind(&flow.binding)
            .bind(&flow.payload)
            .bind(&flow.expires_at)
            .bind(&flow.provider)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "federation.claim_flow", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn claim_flow(&mut self, brought: FlowReturn) -> Result<Option<ClaimedFlow>, StoreError> {
        let row = Sql::new(CLAIM_FLOW)
            .bind(&brought.state)
            .bind(&brought.binding)
            .bind(&brought.now)
            .bind(&(brought.now + FederationRules::LONGEST + SKEW))
            .bind(&brought.provider)
            .row(self)
            .await?;
        row.map(|row| {
            Ok(ClaimedFlow {
                payload: row.get(FLOWS, "payload")?,
                seen: MovesSeen(row.get(FLOWS, "moves_seen")?),
            })
        })
        .transpose()
    }

    #[tracing::instrument(name = "federation.release_flow", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn release_flow(
        &mut self,
        state: TokenDigest,
        claimed_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        Sql::new(RELEASE_FLOW)
            .bind(&state)
            .bind(&claimed_at)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "federation.link", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn link(&mut self, identity: &NewFederatedIdentity) -> Result<(), StoreError> {
        Sql::new(LINK)
            .bind(&identity.id)
            .bind(&identity.account)
            .bind(&identity.digest)
            .bind(&identity.identity)
            .bind(&identity.linked_at)
            .bind(&identity.provider)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "federation.opens", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn opens(&mut self, identity: [u8; 32], account: AccountId) -> Result<bool, StoreError> {
        let db = &*self;
        let text = Dialect::of(db).pick(opens!(" FOR KEY SHARE"), opens!(""));
        let found = Sql::new(text).bind(&identity).bind(&account).row(db);
        Ok(found.await?.is_some())
    }

    #[tracing::instrument(name = "federation.unlink", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn unlink(
        &mut self,
        account: AccountId,
        provider: ProviderName,
    ) -> Result<bool, StoreError> {
        let unlink = Sql::new(UNLINK).bind(&account).bind(&provider);
        let gone = unlink.execute(self).await?;
        Ok(gone == 1)
    }
}
