//! A transaction, in a session of our own or in one of a pooler.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, QueryResult, Statement};

use super::pooled::PooledUnit;

/// A transaction that is rolled back when it is dropped.
pub(crate) enum Unit {
    Own(DatabaseTransaction),
    Pooled(PooledUnit),
}

impl Unit {
    pub(crate) async fn rows(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Own(transaction) => transaction.query_all_raw(statement).await,
            Self::Pooled(unit) => unit.rows(&statement).await,
        }
    }

    pub(crate) async fn write(&self, statement: Statement) -> Result<u64, DbErr> {
        match self {
            Self::Own(transaction) => {
                let done = transaction.execute_raw(statement).await?;
                Ok(done.rows_affected())
            }
            Self::Pooled(unit) => unit.write(&statement).await,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::Own(transaction) => transaction.commit().await,
            Self::Pooled(unit) => unit.commit().await,
        }
    }
}
