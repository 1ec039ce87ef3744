//! Where the two engines need different words.

use sea_orm::DbBackend;

use crate::sql::Db;

/// Which engine's SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// What `db` speaks.
    pub(crate) fn of(db: &impl Db) -> Self {
        match db.backend() {
            DbBackend::Sqlite => Self::Sqlite,
            _ => Self::Postgres,
        }
    }

    /// The text for this engine. SQLite's usually lacks a lock: whoever writes there is alone.
    pub(crate) const fn pick(self, postgres: &'static str, sqlite: &'static str) -> &'static str {
        match self {
            Self::Postgres => postgres,
            Self::Sqlite => sqlite,
        }
    }
}
