//! Reads of passkeys and their ceremonies.

use async_trait::async_trait;
use authentication_app::ports::{
    CeremonyQuestion, CeremonyRecord, PasskeyQueries, PasskeyRecord, StoreError,
};
use authentication_domain::{
    accounts::AccountId,
    passkeys::{PasskeyId, PasskeyRules},
};
use common::clock::SKEW;

use crate::{
    account_record::{account_columns, account_if_any, account_parts},
    accounts::moved_since,
    attempts::{any_in_a_row, in_a_row_of},
    sql::{Row, Sql},
    store::Store,
};

const PASSKEYS: &str = "passkeys";
const CEREMONIES: &str = "webauthn_ceremonies";

macro_rules! passkey_columns {
    () => {
        "y.id AS passkey_id, y.account_id AS passkey_account, y.credential_digest, y.credential, \
         y.name AS passkey_name, y.counter, y.created_at AS enrolled_at, \
         y.last_used_at AS passkey_used_at"
    };
}

/// By `passkeys_account_id_idx`.
const LIST: &str = concat!(
    "SELECT ",
    passkey_columns!(),
    " FROM passkeys y WHERE y.account_id = $1 ORDER BY y.id"
);

/// All by primary keys, and `passkeys_credential_digest_key`. A ceremony is void if it was begun under an earlier
/// version of its account, or of the account of the presented passkey. `$1` holder, `$2` purpose, `$3` credential,
/// `$4` device, `$5` now, `$6` the latest expiry of a ceremony that was begun by now.
const FIND_CEREMONY: &str = concat!(
    "SELECT c.id AS ceremony_id, c.account_id AS ceremony_account, c.state, d.id AS device_id, ",
    in_a_row_of!("y.account_id"),
    ", ",
    passkey_columns!(),
    ", ",
    account_columns!(),
    " FROM webauthn_ceremonies c \
     LEFT JOIN passkeys y ON y.credential_digest = $3 \
     LEFT JOIN accounts a ON a.id = y.account_id",
    account_parts!(),
    "LEFT JOIN devices d ON d.account_id = y.account_id AND d.id = $4 \
     WHERE c.holder = $1 AND c.purpose = $2 AND c.consumed_at IS NULL AND c.expires_at > $5 \
     AND c.expires_at <= $6 AND NOT ",
    moved_since!("COALESCE(c.account_id, y.account_id)", "c.moves_seen")
);

#[async_trait]
impl PasskeyQueries for Store {
    #[tracing::instrument(name = "passkeys.list_passkeys", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn list_passkeys(&self, account: AccountId) -> Result<Vec<PasskeyRecord>, StoreError> {
        let rows = Sql::new(LIST).bind(&account).rows(&self.readers).await?;
        rows.iter().map(passkey_of).collect()
    }

    #[tracing::instrument(name = "passkeys.find_ceremony", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_ceremony(
        &self,
        asked: CeremonyQuestion,
    ) -> Result<Option<CeremonyRecord>, StoreError> {
        let row = Sql::new(FIND_CEREMONY)
            .bind(&asked.holder)
            .bind(&asked.purpose)
            .bind(&asked.credential)
            .bind(&asked.device)
            .bind(&asked.now)
            .bind(&(asked.now + PasskeyRules::LONGEST_CEREMONY + SKEW))
            .row(&self.readers)
            .await?;
        row.map(|row| {
            let passkey: Option<PasskeyId> = row.find(PASSKEYS, "passkey_id")?;
            Ok(CeremonyRecord {
                id: row.get(CEREMONIES, "ceremony_id")?,
                account: row.find(CEREMONIES, "ceremony_account")?,
                state: row.get(CEREMONIES, "state")?,
                passkey: passkey.map(|_| passkey_of(&row)).transpose()?,
                owner: account_if_any(&row)?,
                device: row.find("devices", "device_id")?,
                failures_in_a_row: any_in_a_row(&row)?,
            })
        })
        .transpose()
    }
}

fn passkey_of(row: &Row) -> Result<PasskeyRecord, StoreError> {
    Ok(PasskeyRecord {
        id: row.get(PASSKEYS, "passkey_id")?,
        account: row.get(PASSKEYS, "passkey_account")?,
        digest: row.get(PASSKEYS, "credential_digest")?,
        credential: row.get(PASSKEYS, "credential")?,
        name: row.find(PASSKEYS, "passkey_name")?,
        counter: row.get(PASSKEYS, "counter")?,
        created_at: row.get(PASSKEYS, "enrolled_at")?,
        last_used_at: row.find(PASSKEYS, "passkey_used_at")?,
    })
}
