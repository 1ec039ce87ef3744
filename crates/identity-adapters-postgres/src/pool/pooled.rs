//! Statements in sessions that are not ours.
//!
//! A pooler in transaction mode gives each transaction another session. So each statement is in a transaction,
//! which brings its settings with it (`SET LOCAL`) and leaves nothing behind, and none has a name: an unnamed
//! statement is parsed and executed within the same transaction, whatever the pooler knows of statements.
//! The price is the way there and back: four times for a single statement in place of once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnAcquireErr, DbErr, QueryResult, RuntimeErr, Statement, sea_query::Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction, query::Query};
use tokio::{sync::Mutex, time::Instant};

use super::servers::Servers;

/// Where such statements go.
#[derive(Clone)]
pub(super) struct Pooled {
    pub(super) pool: PgPool,
    pub(super) servers: Arc<Servers>,
    pub(super) statements: Arc<AtomicU64>,
}

/// A transaction.
pub(crate) struct PooledUnit {
    transaction: Mutex<Transaction<'static, Postgres>>,
    statements: Arc<AtomicU64>,
}

impl Pooled {
    pub(super) async fn begin(&self) -> Result<PooledUnit, DbErr> {
        let transaction = self
            .pool
            .begin_with(AssertSqlSafe(self.servers.begin().to_owned()))
            .await
            .map_err(failed)?;
        Ok(PooledUnit {
            transaction: Mutex::new(transaction),
            statements: Arc::clone(&self.statements),
        })
    }

    /// In a task of its own, since a caller who goes away must not cut BEGIN short: sqlx would hand the
    /// connection to the next one with the transaction open, who would write into it and never commit.
    async fn begin_whole(&self) -> Result<PooledUnit, DbErr> {
        let this = self.clone();
        let begun = tokio::spawn(async move { this.begin().await });
        // Without its task the runtime is ending.
        let closed = DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
        begun.await.unwrap_or(Err(closed))
    }

    pub(super) async fn rows(&self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let unit = self.begin_whole().await?;
        let rows = unit.rows(statement).await?;
        unit.commit().await?;
        Ok(rows)
    }

    pub(super) async fn write(&self, statement: &Statement) -> Result<u64, DbErr> {
        let unit = self.begin_whole().await?;
        let written = unit.write(statement).await?;
        unit.commit().await?;
        Ok(written)
    }
}

impl PooledUnit {
    pub(super) async fn rows(&self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut transaction = self.transaction.lock().await;
        let asked = Instant::now();
        let rows = unnamed(statement).fetch_all(&mut **transaction).await;
        self.observe(statement, asked.elapsed(), rows.is_err());
        let rows = rows.map_err(failed)?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }

    pub(super) async fn write(&self, statement: &Statement) -> Result<u64, DbErr> {
        let mut transaction = self.transaction.lock().await;
        let asked = Instant::now();
        let done = unnamed(statement).execute(&mut **transaction).await;
        self.observe(statement, asked.elapsed(), done.is_err());
        Ok(done.map_err(failed)?.rows_affected())
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        self.transaction.into_inner().commit().await.map_err(failed)
    }

    fn observe(&self, statement: &Statement, elapsed: Duration, is_failed: bool) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        super::tell_of_a_statement(&statement.sql, elapsed, is_failed);
    }
}

fn unnamed(statement: &Statement) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values)).persistent(false)
}

pub(super) fn failed(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))),
    }
}
