//! A statement with its values, and the rows that it gives.

use std::{borrow::Cow, fmt::Write as _};

use authentication_app::ports::StoreError;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult, Statement, Value};

use crate::{
    error::store_error,
    value::{Bind, Stored},
};

/// Where a statement can run: a pool, or a unit of work.
pub(crate) trait Db: Sync {
    type Connection: ConnectionTrait;
    fn connection(&self) -> &Self::Connection;
    /// Is told of each statement that failed.
    fn note_failure(&self);
}

impl Db for DatabaseConnection {
    type Connection = Self;

    fn connection(&self) -> &Self {
        self
    }

    /// The next statement has nothing to do with it.
    fn note_failure(&self) {}
}

/// A statement in the making. Placeholders are `$1`, `$2`, … on both engines.
pub(crate) struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            values: Vec::new(),
        }
    }

    /// Gives the next placeholder its value.
    pub(crate) fn bind(mut self, value: &(impl Bind + ?Sized)) -> Self {
        self.values.push(value.to_value());
        self
    }

    /// All rows. Also of a writing statement with RETURNING: reading it to its end is what reports a
    /// failure of its commit on SQLite.
    pub(crate) async fn rows(self, db: &impl Db) -> Result<Vec<Row>, StoreError> {
        let rows = db.connection().query_all_raw(self.on(db)).await;
        Ok(told(db, rows)?.into_iter().map(Row).collect())
    }

    /// The only row, if there is one.
    pub(crate) async fn row(self, db: &impl Db) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(db).await?.into_iter().next())
    }

    /// How many rows were written.
    pub(crate) async fn execute(self, db: &impl Db) -> Result<u64, StoreError> {
        let done = db.connection().execute_raw(self.on(db)).await;
        Ok(told(db, done)?.rows_affected())
    }

    fn on(self, db: &impl Db) -> Statement {
        let backend = db.connection().get_database_backend();
        Statement::from_sql_and_values(backend, self.text, self.values)
    }
}

fn told<T>(db: &impl Db, answer: Result<T, DbErr>) -> Result<T, StoreError> {
    answer.map_err(|error| {
        db.note_failure();
        store_error(error)
    })
}

/// `($1, $2), ($3, $4)`: placeholders for several rows, beginning with number `first`.
pub(crate) fn tuples(first: usize, rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for number in 0..rows * columns {
        let opening = match (number, number % columns) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        };
        // Writing to a String does not fail.
        let _ = write!(text, "{opening}${}", first + number);
    }
    text.push(')');
    text
}

/// A row; columns are asked for with their table, to name both if they hold nonsense.
pub(crate) struct Row(QueryResult);

impl Row {
    /// A column that is never NULL.
    pub(crate) fn get<T: Stored>(
        &self,
        table: &'static str,
        column: &'static str,
    ) -> Result<T, StoreError> {
        self.find(table, column)?
            .ok_or(StoreError::Corrupt { table, column })
    }

    /// A column that may be NULL.
    pub(crate) fn find<T: Stored>(
        &self,
        table: &'static str,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let corrupt = || StoreError::Corrupt { table, column };
        let held: Option<T::Column> = self.0.try_get_by(column).map_err(|_| corrupt())?;
        held.map(|held| T::from_column(held).ok_or_else(corrupt))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::tuples;

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(tuples(1, 1, 1), "($1)");
        assert_eq!(tuples(3, 2, 2), "($3, $4), ($5, $6)");
    }
}
