//! Passkeys and their ceremonies.

use async_trait::async_trait;
use authentication_app::ports::{
    NewCeremony, PasskeyRecord, PasskeyRepository, PasskeyUse, Sealed, StoreError,
};
use authentication_domain::{
    accounts::AccountId,
    opaque_token::TokenDigest,
    passkeys::{CeremonyPurpose, PasskeyId, PasskeyRules},
};
use common::clock::SKEW;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{accounts::moves_now, sql::Sql, unit_of_work::SqlUnitOfWork};

/// By the primary key. Replaces an earlier ceremony of the holder for the same purpose.
const BEGIN_CEREMONY: &str = concat!(
    "INSERT INTO webauthn_ceremonies AS c \
     (holder, purpose, id, account_id, state, expires_at, moves_seen) \
     VALUES ($1, $2, $3, $4, $5, $6, ",
    moves_now!("$4"),
    ") ON CONFLICT (holder, purpose) DO UPDATE SET id = excluded.id, account_id = excluded.account_id, \
     state = excluded.state, expires_at = excluded.expires_at, consumed_at = NULL, \
     moves_seen = excluded.moves_seen"
);

/// By the primary key. `$1` holder, `$2` purpose, `$3` id, `$4` now, `$5` the latest expiry of a ceremony that was
/// begun by now.
const CONSUME_CEREMONY: &str = "UPDATE webauthn_ceremonies SET consumed_at = $4 \
     WHERE holder = $1 AND purpose = $2 AND id = $3 AND consumed_at IS NULL AND expires_at > $4 \
     AND expires_at <= $5";

const INSERT: &str = "INSERT INTO passkeys (id, account_id, credential_digest, credential, name, counter, \
     created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// By the primary key. `$1` id, `$2` the counter as it was read, `$3` the next counter, `$4` credential, `$5` now.
const NOTE_USE: &str = "UPDATE passkeys SET counter = $3, credential = $4, \
     last_used_at = CASE WHEN last_used_at > $5 THEN last_used_at ELSE $5 END \
     WHERE id = $1 AND counter = $2";

#[async_trait]
impl PasskeyRepository for SqlUnitOfWork {
    #[tracing::instrument(name = "passkeys.begin_ceremony", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn begin_ceremony(&mut self, ceremony: &NewCeremony) -> Result<(), StoreError> {
        Sql::new(BEGIN_CEREMONY)
            .bind(&ceremony.holder)
            .bind(&ceremony.purpose)
            .bind(&ceremony.id)
            .bind(&ceremony.account)
            .bind(&ceremony.state)
            .bind(&ceremony.expires_at)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "passkeys.consume_ceremony", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn consume_ceremony(
        &mut self,
        holder: TokenDigest,
        purpose: CeremonyPurpose,
        id: Uuid,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let consumed = Sql::new(CONSUME_CEREMONY)
            .bind(&holder)
            .bind(&purpose)
            .bind(&id)
            .bind(&now)
            .bind(&(now + PasskeyRules::LONGEST_CEREMONY + SKEW))
            .execute(self)
            .await?;
        Ok(consumed == 1)
    }

    #[tracing::instrument(name = "passkeys.insert", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn insert(&mut self, passkey: &PasskeyRecord) -> Result<(), StoreError> {
        Sql::new(INSERT)
            .bind(&passkey.id)
            .bind(&passkey.account)
            .bind(&passkey.digest)
            .bind(&passkey.credential)
            .bind(&passkey.name)
            .bind(&passkey.counter)
            .bind(&passkey.created_at)
            .bind(&passkey.last_used_at)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "passkeys.note_use", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn note_use(&mut self, used: &PasskeyUse) -> Result<bool, StoreError> {
        let noted = Sql::new(NOTE_USE)
            .bind(&used.id)
            .bind(&used.read_counter)
            .bind(&used.counter)
            .bind(&used.credential)
            .bind(&used.at)
            .execute(self)
            .await?;
        Ok(noted == 1)
    }

    #[tracing::instrument(name = "passkeys.rename", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn rename(
        &mut self,
        account: AccountId,
        passkey: PasskeyId,
        name: Option<&Sealed>,
    ) -> Result<bool, StoreError> {
        let renamed = Sql::new("UPDATE passkeys SET name = $3 WHERE id = $1 AND account_id = $2")
            .bind(&passkey)
            .bind(&account)
            .bind(&name.cloned())
            .execute(self)
            .await?;
        Ok(renamed == 1)
    }

    #[tracing::instrument(name = "passkeys.remove", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn remove(&mut self, account: AccountId, passkey: PasskeyId) -> Result<bool, StoreError> {
        let removed = Sql::new("DELETE FROM passkeys WHERE id = $1 AND account_id = $2")
            .bind(&passkey)
            .bind(&account)
            .execute(self)
            .await?;
        Ok(removed == 1)
    }
}
