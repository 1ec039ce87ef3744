//! The differences between the SQL of the two engines.

use sea_orm::DbBackend;

use crate::sql::Db;

/// The engine whose SQL is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// The dialect of `db`.
    pub(crate) fn of(db: &impl Db) -> Self {
        match db.backend() {
            DbBackend::Sqlite => Self::Sqlite,
            _ => Self::Postgres,
        }
    }

    /// The text for this engine. That for SQLite usually lacks a lock clause: there is one writer at a time.
    pub(crate) const fn pick(self, postgres: &'static str, sqlite: &'static str) -> &'static str {
        match self {
            Self::Postgres => postgres,
            Self::Sqlite => sqlite,
        }
    }
}
