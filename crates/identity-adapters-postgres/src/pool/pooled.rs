//! Statements in sessions that belong to a pooler.
//!
//! A pooler in transaction mode gives each transaction another session. So each statement runs in a transaction, which
//! brings its settings with it (`SET LOCAL`) and leaves nothing behind. No statement has a name: an unnamed statement
//! is parsed and executed within the same transaction, whether or not the pooler tracks prepared statements. The cost
//! is latency: four round trips for a single statement instead of one.

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

/// The pool for such statements, and what they need.
#[derive(Clone)]
pub(super) struct Pooled {
    pub(super) pool: PgPool,
    pub(super) servers: Arc<Servers>,
    pub(super) statements: Arc<AtomicU64>,
}

/// A transaction in a session of a pooler.
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

    /// In a task of its own, so that a cancelled caller cannot cut BEGIN short: sqlx would return the connection to the
    /// pool with the transaction open, and the next user would write into it and never commit.
    async fn begin_whole(&self) -> Result<PooledUnit, DbErr> {
        let this = self.clone();
        let begun = tokio::spawn(async move { this.begin().await });
        // The task is only lost when the runtime shuts down.
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
