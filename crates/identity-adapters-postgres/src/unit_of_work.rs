//! One transaction that lends itself as every repository.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use authentication_app::ports::{
    AccountRepository, AttemptLedger, AuditTrail, ChallengeRepository, DeviceRepository,
    IdempotencyLedger, Outbox, SessionRepository, StoreError, UnitOfWork, UnitOfWorkFactory,
};
use sea_orm::{
    DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};

use crate::{
    error::{Fault, store_error},
    sql::Db,
    store::Store,
};

/// Read committed on PostgreSQL. On SQLite it has the write lock from its first moment (BEGIN IMMEDIATE), so
/// that no statement in it fails for having come too late.
///
/// Each repository trait is implemented in the file of its slice.
pub(crate) struct SqlUnitOfWork {
    transaction: DatabaseTransaction,
    /// A statement failed. PostgreSQL would answer COMMIT with success, having undone everything, and SQLite
    /// would keep a half.
    broken: AtomicBool,
}

impl Db for SqlUnitOfWork {
    type Connection = DatabaseTransaction;

    fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    fn note_failure(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl UnitOfWorkFactory for Store {
    #[tracing::instrument(name = "store.begin", level = "debug", skip_all, fields(db.operation.name = "BEGIN"))]
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: self
                .is_embedded()
                .then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        // In a task of its own, since a caller who goes away must not cut BEGIN short: sqlx would hand the
        // connection to the next one with the transaction open, who would write into it and never commit.
        let writer = self.writer.clone();
        let begun = tokio::spawn(async move { writer.begin_with_options(options).await });
        let transaction = begun.await.map_err(|_| StoreError::Unavailable)?;
        Ok(Box::new(SqlUnitOfWork {
            transaction: transaction.map_err(store_error)?,
            broken: AtomicBool::new(false),
        }))
    }
}

#[async_trait]
impl UnitOfWork for SqlUnitOfWork {
    fn accounts(&mut self) -> &mut dyn AccountRepository {
        self
    }

    fn challenges(&mut self) -> &mut dyn ChallengeRepository {
        self
    }

    fn sessions(&mut self) -> &mut dyn SessionRepository {
        self
    }

    fn devices(&mut self) -> &mut dyn DeviceRepository {
        self
    }

    fn attempts(&mut self) -> &mut dyn AttemptLedger {
        self
    }

    fn audit(&mut self) -> &mut dyn AuditTrail {
        self
    }

    fn outbox(&mut self) -> &mut dyn Outbox {
        self
    }

    fn idempotency(&mut self) -> &mut dyn IdempotencyLedger {
        self
    }

    #[tracing::instrument(name = "store.commit", level = "debug", skip_all, fields(db.operation.name = "COMMIT"))]
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        if self.broken.into_inner() {
            return Err(Fault::BrokenUnit.into());
        }
        self.transaction.commit().await.map_err(store_error)
    }
}
