//! A statement with its binds, and the rows that it returns.

use std::{borrow::Cow, fmt::Write as _, future::Future};

use authentication_app::ports::StoreError;
use sea_orm::{DbBackend, QueryResult, Statement, Value};

use crate::{
    error::Fault,
    value::{Bind, Stored},
};

/// [`common::clock::SKEW`] in microseconds: what was made further in the future does not count.
macro_rules! skew {
    () => {
        "60000000"
    };
}
pub(crate) use skew;

/// Where a statement can run: on a pool, or in a unit of work.
pub(crate) trait Db: Sync {
    /// The engine whose SQL it takes.
    fn backend(&self) -> DbBackend;

    /// Runs a statement and returns its rows.
    fn rows(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<QueryResult>, StoreError>> + Send;

    /// Runs a statement and returns how many rows it wrote.
    fn write(&self, statement: Statement) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// A statement under construction. Placeholders are `$1`, `$2`, … on both engines.
pub(crate) struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
    /// Each placeholder occurs once, in order, beginning with `$1`.
    in_order: bool,
}

impl Sql {
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            values: Vec::new(),
            in_order: false,
        }
    }

    /// A statement over many rows, whose placeholders occur in order, each once. SQLite looks up a numbered placeholder
    /// by a linear search for its name, so a thousand rows would cost a million comparisons.
    pub(crate) fn over_rows(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            in_order: true,
            ..Self::new(text)
        }
    }

    /// Binds the next placeholder.
    pub(crate) fn bind(mut self, value: &(impl Bind + ?Sized)) -> Self {
        self.values.push(value.to_value());
        self
    }

    /// All rows. Also for a writing statement with RETURNING: on SQLite, a failure of its commit is reported only if
    /// the rows are read to the end.
    pub(crate) async fn rows(self, db: &impl Db) -> Result<Vec<Row>, StoreError> {
        let rows = db.rows(self.on(db)).await?;
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row, if there is one.
    pub(crate) async fn row(self, db: &impl Db) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(db).await?.into_iter().next())
    }

    /// How many rows were written.
    pub(crate) async fn execute(self, db: &impl Db) -> Result<u64, StoreError> {
        db.write(self.on(db)).await
    }

    fn on(self, db: &impl Db) -> Statement {
        let text = match db.backend() {
            DbBackend::Sqlite if self.in_order => without_numbers(&self.text).into(),
            _ => self.text,
        };
        Statement::from_sql_and_values(db.backend(), text, self.values)
    }
}

/// `($1, $2), ($3, $4)`: placeholders for several rows, numbered from `first`.
pub(crate) fn tuples(first: usize, rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for number in 0..rows * columns {
        let opening = match (number, number % columns) {
            (0, _) => "(",
            (_, 0) => "), (",
            _ => ", ",
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{opening}${}", first + number);
    }
    text.push(')');
    text
}

/// Replaces each of `$1`, `$2`, … by `?`.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split('$');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push('?');
        plain.push_str(part.trim_start_matches(|character: char| character.is_ascii_digit()));
    }
    plain
}

/// A row. Columns are read with the name of their table, so that an error about corrupt data names both.
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
        // A missing column or one of another type is not tampering but a bug, or a schema between two releases.
        let held: Result<Option<T::Column>, _> = self.0.try_get_by(column);
        let held = held.map_err(|_| Fault::Column { table, column })?;
        held.map(|held| T::from_column(held).ok_or(StoreError::Corrupt { table, column }))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::{tuples, without_numbers};

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(tuples(1, 1, 1), "($1)");
        assert_eq!(tuples(3, 2, 2), "($3, $4), ($5, $6)");
    }

    #[test]
    fn placeholders_that_stand_in_order_need_no_numbers() {
        let text = format!("INSERT INTO t (a2) VALUES {} RETURNING a2", tuples(9, 2, 2));
        let expected = "INSERT INTO t (a2) VALUES (?, ?), (?, ?) RETURNING a2";
        assert_eq!(without_numbers(&text), expected);
        assert_eq!(without_numbers("SELECT 1"), "SELECT 1");
    }
}
