//! One transaction, which serves as every repository.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use authentication_app::ports::{
    AccountRepository, AttemptLedger, AuditTrail, ChallengeRepository, DeviceRepository,
    FactorResetRepository, FederationRepository, IdempotencyLedger, ImportRepository,
    NoticeRepository, Outbox, PasskeyRepository, RekeyingRepository, SecondFactorRepository,
    SessionRepository, StoreError, UnitOfWork, UnitOfWorkFactory,
};
use sea_orm::{DbBackend, DbErr, QueryResult, Statement};
use tokio::sync::watch;

use crate::{
    error::Fault,
    pool::{Line, Pool, Unit},
    sql::Db,
    store::Store,
};

/// Isolation level read committed on PostgreSQL. On SQLite it has the write lock from the beginning (BEGIN IMMEDIATE).
///
/// Each repository trait is implemented in the file of its slice.
pub(crate) struct SqlUnitOfWork {
    pool: Pool,
    line: Line,
    transaction: Unit,
    /// A statement failed. PostgreSQL would then answer COMMIT with success although it rolled everything back, and
    /// SQLite would commit a part.
    broken: AtomicBool,
    /// Whether events were written.
    has_events: bool,
    events_committed: watch::Sender<()>,
}

impl SqlUnitOfWork {
    /// Marks the unit as incomplete, so that it cannot be committed.
    pub(crate) fn give_up(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Records that events were written: the relay is woken after the commit.
    pub(crate) const fn note_events(&mut self) {
        self.has_events = true;
    }
}

impl SqlUnitOfWork {
    async fn ask<T>(
        &self,
        statement: impl Future<Output = Result<T, DbErr>> + Send,
    ) -> Result<T, StoreError> {
        let done = self.pool.on_line(&self.line, statement).await;
        done.inspect_err(|_| self.broken.store(true, Ordering::Relaxed))
    }
}

impl Db for SqlUnitOfWork {
    fn backend(&self) -> DbBackend {
        self.pool.backend()
    }

    async fn rows(&self, statement: Statement) -> Result<Vec<QueryResult>, StoreError> {
        self.ask(self.transaction.rows(statement)).await
    }

    async fn write(&self, statement: Statement) -> Result<u64, StoreError> {
        self.ask(self.transaction.write(statement)).await
    }
}

#[async_trait]
impl UnitOfWorkFactory for Store {
    #[tracing::instrument(name = "store.begin", level = "debug", skip_all, fields(db.operation.name = "BEGIN"))]
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(self.begin_unit().await?))
    }
}

impl Store {
    pub(crate) async fn begin_unit(&self) -> Result<SqlUnitOfWork, StoreError> {
        let (line, transaction) = self.writer.begin().await?;
        Ok(SqlUnitOfWork {
            pool: self.writer.clone(),
            line,
            transaction,
            broken: AtomicBool::new(false),
            has_events: false,
            events_committed: self.events_committed.clone(),
        })
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

    fn passkeys(&mut self) -> &mut dyn PasskeyRepository {
        self
    }

    fn sessions(&mut self) -> &mut dyn SessionRepository {
        self
    }

    fn second_factors(&mut self) -> &mut dyn SecondFactorRepository {
        self
    }

    fn devices(&mut self) -> &mut dyn DeviceRepository {
        self
    }

    fn notices(&mut self) -> &mut dyn NoticeRepository {
        self
    }

    fn factor_resets(&mut self) -> &mut dyn FactorResetRepository {
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

    fn imports(&mut self) -> &mut dyn ImportRepository {
        self
    }

    fn federation(&mut self) -> &mut dyn FederationRepository {
        self
    }

    fn rekeying(&mut self) -> &mut dyn RekeyingRepository {
        self
    }

    #[tracing::instrument(name = "store.commit", level = "debug", skip_all, fields(db.operation.name = "COMMIT"))]
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        if self.broken.into_inner() {
            return Err(Fault::BrokenUnit.into());
        }
        let commit = self.transaction.commit();
        self.pool.on_line(&self.line, commit).await?;
        self.pool.note_written();
        if self.has_events {
            self.events_committed.send_replace(());
        }
        Ok(())
    }
}
