//! What is wrong with a database that answers: it takes no writes, denies us privileges, or lacks our tables.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{PgConnection, Row as _};

use super::{Condition, servers::ask};

/// Whether it takes writes, whether our tables exist, and on which of them our role lacks a node's privileges. Our
/// tables are those in the schema of `accounts` that have the same owner. One message; reads some 30 catalog rows.
const LOOK: &str = "SELECT current_setting('transaction_read_only') = 'on', \
    to_regclass('accounts') IS NOT NULL, \
    coalesce((SELECT string_agg(c.relname::text, ', ' ORDER BY c.relname) \
      FROM pg_class a JOIN pg_class c ON c.relnamespace = a.relnamespace AND c.relowner = a.relowner \
      WHERE a.oid = to_regclass('accounts') AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
      AND NOT (has_table_privilege(c.oid, 'SELECT') \
        AND (c.relname = 'seaql_migrations' OR has_table_privilege(c.oid, 'INSERT')) \
        AND (c.relname IN ('seaql_migrations', 'audit_entries') OR \
          has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))), '')";

/// The result of [`LOOK`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) is_read_only: bool,
    pub(crate) has_tables: bool,
    /// Tables that our role lacks a node's privileges on, separated by commas.
    pub(crate) denied: String,
}

impl Look {
    pub(crate) async fn at(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let row = ask(connection, LOOK.to_owned()).await?;
        Ok(Self {
            is_read_only: row.try_get(0)?,
            has_tables: row.try_get(1)?,
            denied: row.try_get(2)?,
        })
    }

    pub(super) fn condition(&self) -> Condition {
        if !self.has_tables {
            Condition::Foreign
        } else if self.is_read_only {
            Condition::ReadOnly
        } else if !self.denied.is_empty() {
            Condition::Denied
        } else {
            Condition::Up
        }
    }
}

/// The last results. Logs changes only, not each look.
pub(super) struct Health(Mutex<Found>);

#[derive(Clone, Copy)]
struct Found {
    /// The result of the last look, answered or not.
    last: Condition,
    /// The result of the last look that was answered. It has been logged.
    told: Condition,
}

impl Default for Health {
    fn default() -> Self {
        let (last, told) = (Condition::Up, Condition::Up);
        Self(Mutex::new(Found { last, told }))
    }
}

impl Health {
    pub(super) fn last(&self) -> Condition {
        self.lock().last
    }

    pub(super) fn note(&self, found: Condition) {
        self.lock().last = found;
    }

    /// Logs the result of a look if it differs from the previous one.
    pub(super) fn tell(&self, look: &Look) {
        let found = look.condition();
        if std::mem::replace(&mut self.lock().told, found) == found {
            return;
        }
        match found {
            Condition::ReadOnly => tracing::error!(
                "PostgreSQL is read-only: what writes to the database is refused (a replica, or \
                 default_transaction_read_only)"
            ),
            Condition::Denied => tracing::error!(
                tables = look.denied,
                "the role of database.url lacks rights on tables: what needs them fails (migrate up --grant-to)"
            ),
            Condition::Foreign => tracing::error!(
                "the tables of the service are not in the database of database.url, or not to be seen by its role"
            ),
            Condition::Up | Condition::Busy | Condition::Full | Condition::Away => {
                tracing::info!("the database takes everything again");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
