//! Identities at providers, and sign-ins that are under way there.

use async_trait::async_trait;
use authentication_app::ports::{
    FederationRepository, NewFederatedIdentity, NewFlow, NewNonce, Sealed, StoreError,
};
use authentication_domain::{
    accounts::AccountId, federation::FederationRules, opaque_token::TokenDigest, sessions::DeviceId,
};
use common::clock::SKEW;
use time::OffsetDateTime;

use crate::{sql::Sql, unit_of_work::SqlUnitOfWork};

pub(crate) const IDENTITIES: &str = "federated_identities";

const KEEP_NONCE: &str =
    "INSERT INTO federation_nonces (digest, device_id, expires_at) VALUES ($1, $2, $3)";

/// By the primary key. `$1` digest, `$2` device, `$3` now, `$4` until when one that was made by now can count. A nonce that was given to no device counts from any.
const USE_NONCE: &str = "UPDATE federation_nonces SET used_at = $3 \
     WHERE digest = $1 AND used_at IS NULL AND expires_at > $3 AND expires_at <= $4 \
     AND (device_id IS NULL OR device_id = $2)";

const KEEP_FLOW: &str = "INSERT INTO federation_flows (state, binding, payload, expires_at) \
     VALUES ($1, $2, $3, $4)";

/// By the primary key. `$1` state, `$2` binding, `$3` now, `$4` until when one that was begun by now can count.
const CLAIM_FLOW: &str = "UPDATE federation_flows SET claimed_at = $3 \
     WHERE state = $1 AND binding = $2 AND claimed_at IS NULL AND expires_at > $3 AND expires_at <= $4 \
     RETURNING payload";

const RELEASE_FLOW: &str =
    "UPDATE federation_flows SET claimed_at = NULL WHERE state = $1 AND claimed_at = $2";

const LINK: &str = "INSERT INTO federated_identities (id, account_id, digest, identity, linked_at) \
     VALUES ($1, $2, $3, $4, $5)";

/// By `federated_identities_account_id_key`.
const UNLINK: &str = "DELETE FROM federated_identities WHERE account_id = $1";

#[async_trait]
impl FederationRepository for SqlUnitOfWork {
    #[tracing::instrument(name = "federation.keep_nonce", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn keep_nonce(&mut self, nonce: &NewNonce) -> Result<(), StoreError> {
        Sql::new(KEEP_NONCE)
            .bind(&nonce.digest)
            .bind(&nonce.device)
            .bind(&nonce.expires_at)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "federation.use_nonce", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn use_nonce(
        &mut self,
        digest: TokenDigest,
        device: Option<DeviceId>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let used = Sql::new(USE_NONCE)
            .bind(&digest)
            .bind(&device)
            .bind(&now)
            .bind(&(now + FederationRules::LONGEST + SKEW))
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
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "federation.claim_flow", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn claim_flow(
        &mut self,
        state: TokenDigest,
        binding: TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<Sealed>, StoreError> {
        let row = Sql::new(CLAIM_FLOW)
            .bind(&state)
            .bind(&binding)
            .bind(&now)
            .bind(&(now + FederationRules::LONGEST + SKEW))
            .row(self)
            .await?;
        row.map(|row| row.get("federation_flows", "payload"))
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
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "federation.unlink", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn unlink(&mut self, account: AccountId) -> Result<bool, StoreError> {
        let gone = Sql::new(UNLINK).bind(&account).execute(self).await?;
        Ok(gone == 1)
    }
}
