//! What backups need from the two engines: a consistent copy, its contents, and a restore.
//!
//! Files, checksums and PostgreSQL's own tools are the task of the composition root.

/// Reads [`CopyFacts`] on one connection; inside a transaction they are all as of one moment. `$version` is the query
/// for the engine's version.
macro_rules! facts_of {
    ($connection:expr, $version:literal) => {
        async {
            let (engine_version,) = sqlx::query_as::<_, (String,)>($version)
                .fetch_one(&mut *$connection)
                .await?;
            let migrations = sqlx::query_as::<_, (String,)>($crate::copies::MIGRATIONS)
                .fetch_all(&mut *$connection)
                .await?;
            let mut keys = Vec::new();
            for (section, text) in $crate::copies::KEYS {
                let ids = sqlx::query_as::<_, (String,)>(text)
                    .fetch_all(&mut *$connection)
                    .await?;
                let needed = |(id,)| $crate::copies::NeededKey { section, id };
                keys.extend(ids.into_iter().map(needed));
            }
            let (accounts, sessions, audit_entries) =
                sqlx::query_as::<_, (i64, i64, i64)>($crate::copies::COUNTS)
                    .fetch_one(&mut *$connection)
                    .await?;
            Ok::<_, sqlx::Error>($crate::copies::CopyFacts {
                engine_version,
                migrations: migrations.into_iter().map(|(name,)| name).collect(),
                keys,
                accounts,
                sessions,
                audit_entries,
            })
        }
        .await
        .map_err(|error| $crate::error::from_sqlx(&error))
    };
}

mod embedded;
mod server;

pub use embedded::{Embedded, Settled};
pub use server::{Server, ServerCopy, ServerTarget};

/// The contents of a copy of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFacts {
    /// The engine's version.
    pub engine_version: String,
    /// The applied migrations, oldest first.
    pub migrations: Vec<String>,
    /// The keys of the key ring without which no account is found and no sealed value can be opened.
    pub keys: Vec<NeededKey>,
    /// Number of accounts.
    pub accounts: i64,
    /// Number of sessions that were not ended explicitly.
    pub sessions: i64,
    /// Number of entries of the audit trail.
    pub audit_entries: i64,
}

/// A key of the key ring, as rows refer to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededKey {
    /// `field_encryption` or `blind_index`.
    pub section: &'static str,
    /// Its id.
    pub id: String,
}

const MIGRATIONS: &str = "SELECT version FROM seaql_migrations ORDER BY version";
const MASTER_KEYS: &str = "SELECT DISTINCT master_key_id FROM account_keys \
     UNION SELECT DISTINCT master_key_id FROM service_keys ORDER BY 1";
const INDEX_KEYS: &str = "SELECT DISTINCT key_id FROM identifier_index ORDER BY 1";
const KEYS: [(&str, &str); 2] = [
    ("field_encryption", MASTER_KEYS),
    ("blind_index", INDEX_KEYS),
];
const COUNTS: &str = "SELECT (SELECT count(*) FROM accounts), \
     (SELECT count(*) FROM sessions WHERE ended_at IS NULL), (SELECT count(*) FROM audit_entries)";
