//! Devices that people signed in from.

use async_trait::async_trait;
use authentication_app::ports::{DeviceQueries, DeviceRepository, DeviceSummary, StoreError};
use authentication_domain::{
    accounts::AccountId,
    sessions::{DeviceId, SessionId},
};
use time::OffsetDateTime;

use crate::{
    dialect::Dialect,
    error::Fault,
    sql::{Row, Sql},
    store::Store,
    unit_of_work::SqlUnitOfWork,
};

/// `$1` account, `$2` device, `$3` now. Locks the account's row first, so that two concurrent new devices are counted
/// one after the other. By the primary keys of `accounts` and `devices`.
macro_rules! remember {
    ($lock:literal) => {
        concat!(
            "INSERT INTO devices AS d (account_id, id, created_at, last_used_at) \
             SELECT a.id, $2, $3, $3 FROM accounts a WHERE a.id = $1",
            $lock,
            " ON CONFLICT (account_id, id) DO UPDATE SET last_used_at = \
             CASE WHEN excluded.last_used_at > d.last_used_at \
             THEN excluded.last_used_at ELSE d.last_used_at END \
             RETURNING created_at"
        )
    };
}

/// Deletes all except this device and the `$3` others most recently used. By the primary key, which begins with the
/// account.
const FORGET_OTHERS: &str = "DELETE FROM devices WHERE account_id = $1 AND id <> $2 AND id NOT IN \
     (SELECT o.id FROM devices o WHERE o.account_id = $1 AND o.id <> $2 \
     ORDER BY o.last_used_at DESC, o.id DESC LIMIT $3)";

/// By the primary keys of `devices`, which begins with the account, and `sessions`. `$1` account, `$2` session.
const LIST: &str = "SELECT d.id, d.created_at, d.last_used_at, d.remembered_until, s.device_id \
     FROM devices d LEFT JOIN sessions s ON s.id = $2 AND s.account_id = d.account_id \
     WHERE d.account_id = $1 ORDER BY d.last_used_at DESC, d.id DESC";

#[async_trait]
impl DeviceQueries for Store {
    #[tracing::instrument(name = "devices.list_devices", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn list_devices(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<(Vec<DeviceSummary>, Option<DeviceId>), StoreError> {
        let rows = Sql::new(LIST)
            .bind(&account)
            .bind(&session)
            .rows(&self.readers)
            .await?;
        let current = match rows.first() {
            Some(row) => row.find("sessions", "device_id")?,
            None => None,
        };
        let devices = rows.iter().map(summary_of).collect::<Result<_, _>>()?;
        Ok((devices, current))
    }
}

fn summary_of(row: &Row) -> Result<DeviceSummary, StoreError> {
    const TABLE: &str = "devices";
    Ok(DeviceSummary {
        device: row.get(TABLE, "id")?,
        created_at: row.get(TABLE, "created_at")?,
        last_used_at: row.get(TABLE, "last_used_at")?,
        remembered_until: row.find(TABLE, "remembered_until")?,
    })
}

#[async_trait]
impl DeviceRepository for SqlUnitOfWork {
    /// One statement for a known device, two for a new one.
    #[tracing::instrument(name = "devices.remember", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn remember(
        &mut self,
        account: AccountId,
        device: DeviceId,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let db = &*self;
        let remember = Dialect::of(db).pick(remember!(" FOR NO KEY UPDATE"), remember!(""));
        let row = Sql::new(remember)
            .bind(&account)
            .bind(&device)
            .bind(&now)
            .row(db)
            .await?;
        let row = row.ok_or(Fault::MissingRow("the account of a device"))?;
        let created_at: OffsetDateTime = row.get("devices", "created_at")?;
        if created_at == now {
            Sql::new(FORGET_OTHERS)
                .bind(&account)
                .bind(&device)
                .bind(&most.saturating_sub(1))
                .execute(db)
                .await?;
        }
        Ok(())
    }

    #[tracing::instrument(name = "devices.remember_until", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn remember_until(
        &mut self,
        account: AccountId,
        device: DeviceId,
        until: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let remembered =
            Sql::new("UPDATE devices SET remembered_until = $3 WHERE account_id = $1 AND id = $2")
                .bind(&account)
                .bind(&device)
                .bind(&until)
                .execute(&*self)
                .await?;
        Ok(remembered == 1)
    }

    #[tracing::instrument(name = "devices.forget", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn forget(&mut self, account: AccountId, device: DeviceId) -> Result<bool, StoreError> {
        let forgotten = Sql::new("DELETE FROM devices WHERE account_id = $1 AND id = $2")
            .bind(&account)
            .bind(&device)
            .execute(&*self)
            .await?;
        Ok(forgotten == 1)
    }

    #[tracing::instrument(name = "devices.forget_all", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn forget_all(&mut self, account: AccountId) -> Result<(), StoreError> {
        Sql::new("DELETE FROM devices WHERE account_id = $1")
            .bind(&account)
            .execute(&*self)
            .await?;
        Ok(())
    }
}
