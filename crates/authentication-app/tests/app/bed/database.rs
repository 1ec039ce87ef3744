//! Hands in the database, behind the store's back.

use std::collections::{BTreeMap, BTreeSet};

use super::Bed;

/// All rows of all tables.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents(BTreeMap<String, String>);

impl Contents {
    /// The tables in which something is another way.
    pub(crate) fn changed_since<'a>(&'a self, before: &Self) -> BTreeSet<&'a str> {
        let changed = self
            .0
            .iter()
            .filter(|(name, rows)| before.0.get(*name) != Some(*rows));
        changed.map(|(name, _)| name.as_str()).collect()
    }
}

impl Bed {
    pub(crate) async fn contents(&self) -> Contents {
        let tables = self
            .texts(
                "SELECT name AS it FROM sqlite_master WHERE type = 'table' \
                 AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'seaql_%'",
            )
            .await;
        let mut contents = BTreeMap::new();
        for table in tables {
            let columns = self
                .texts(&format!(
                    "SELECT 'quote(' || name || ')' AS it FROM pragma_table_info('{table}')"
                ))
                .await;
            let row = columns.join(" || '|' || ");
            let mut rows = self
                .texts(&format!("SELECT {row} AS it FROM {table}"))
                .await;
            rows.sort();
            contents.insert(table, rows.join("\n"));
        }
        Contents(contents)
    }

    /// From here on every write to a table fails, as on a full disk.
    pub(crate) async fn sabotage(&self, table: &str) {
        for event in ["INSERT", "UPDATE", "DELETE"] {
            let trigger = format!(
                "CREATE TRIGGER sabotage_{event} BEFORE {event} ON {table} \
                 BEGIN SELECT RAISE(ABORT, 'sabotage'); END"
            );
            self.database.execute(&trigger).await;
        }
    }

    /// Ends [`Self::sabotage`].
    pub(crate) async fn repair(&self) {
        for event in ["INSERT", "UPDATE", "DELETE"] {
            self.database
                .execute(&format!("DROP TRIGGER sabotage_{event}"))
                .await;
        }
    }

    /// The column `it` of every row.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.database.rows(sql).await;
        rows.iter()
            .map(|row| row.try_get("", "it").unwrap())
            .collect()
    }

    pub(crate) async fn actions(&self) -> Vec<String> {
        self.texts("SELECT action || ' ' || outcome AS it FROM audit_entries ORDER BY 1")
            .await
    }
}
