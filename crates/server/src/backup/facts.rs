//! The manifest of a backup, and the checks whether a backup is intact and fits this service.

use std::{fmt, path::Path};

use authentication_app::ports::KeyState;
use identity_adapters_postgres::CopyFacts;
use serde::{Deserialize, Serialize};

use super::{BackupError, archive, archive::Archive, server_tools::Tools};
use crate::{config::Config, wire};

/// The format version that this release writes and reads.
const FORMAT: u32 = 1;

/// The database engine of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Engine {
    /// A SQLite database file.
    Sqlite,
    /// A PostgreSQL dump in custom format.
    Postgres,
}

impl Engine {
    /// The product name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// The contents of a backup. Contains no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of this format.
    pub(crate) format: u32,
    /// The engine that made the backup.
    pub(crate) engine: Engine,
    /// The version of the engine.
    pub(crate) engine_version: String,
    /// The release of the service that made the backup.
    pub(crate) release: String,
    /// The time of the backup, RFC 3339.
    pub(crate) made_at: String,
    /// The schema of the tables; PostgreSQL only.
    pub(crate) schema: Option<String>,
    /// The migrations that were applied.
    pub(crate) migrations: Vec<String>,
    /// The keys that are required to decrypt the data.
    pub(crate) keys: Vec<Key>,
    /// The number of accounts.
    pub(crate) accounts: i64,
    /// The number of sessions that had not been ended.
    pub(crate) sessions: i64,
    /// The number of entries in the audit log.
    pub(crate) audit_entries: i64,
}

/// A key of the key ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    /// The section of the key ring.
    pub(crate) section: String,
    /// The id of the key.
    pub(crate) id: String,
}

impl Manifest {
    pub(super) fn new(
        engine: Engine,
        schema: Option<String>,
        facts: CopyFacts,
        made_at: String,
    ) -> Self {
        let keys = facts.keys.into_iter().map(|key| Key {
            section: key.section.to_owned(),
            id: key.id,
        });
        Self {
            format: FORMAT,
            engine,
            engine_version: facts.engine_version,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            made_at,
            schema,
            migrations: facts.migrations,
            keys: keys.collect(),
            accounts: facts.accounts,
            sessions: facts.sessions,
            audit_entries: facts.audit_entries,
        }
    }

    /// The reasons why this release and configuration cannot restore the backup.
    pub(super) fn misfits(&self, config: &Config) -> Result<Vec<Finding>, BackupError> {
        let mut found = Vec::new();
        let is_of_server = self.engine == Engine::Postgres;
        if is_of_server != config.database.is_postgres() {
            found.push(Finding::OtherEngine(self.engine));
        }
        let known = migration::names();
        let newer = self.migrations.iter().filter(|name| !known.contains(name));
        let newer: Vec<String> = newer.cloned().collect();
        if !newer.is_empty() {
            found.push(Finding::NewerSchema(newer));
        }
        match wire::examine_key_ring(config)? {
            None => found.push(Finding::NoKeys),
            Some((_, ring)) => {
                let is_missing = |key: &&Key| {
                    !ring.iter().any(|held| {
                        held.section.as_str() == key.section
                            && held.stored_as == key.id
                            && held.state != KeyState::Retired
                    })
                };
                let missing = self.keys.iter().filter(is_missing);
                let missing: Vec<String> = missing
                    .map(|key| format!("{} {}", key.section, key.id))
                    .collect();
                if !missing.is_empty() {
                    found.push(Finding::OtherKeys(missing));
                }
            }
        }
        Ok(found)
    }
}

/// A problem of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The trailer is missing.
    CutShort,
    /// The checksum is wrong.
    Altered,
    /// Another release made it, in a different format.
    UnknownForm,
    /// The engine cannot read it, although the checksum is correct.
    Damaged(String),
    /// It was made by another engine.
    OtherEngine(Engine),
    /// A later release made it.
    NewerSchema(Vec<String>),
    /// There is no key ring to compare with.
    NoKeys,
    /// The key ring lacks keys that the backup requires.
    OtherKeys(Vec<String>),
}

impl Finding {
    /// The machine-readable code.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::CutShort => "cut_short",
            Self::Altered => "altered",
            Self::UnknownForm => "unknown_form",
            Self::Damaged(_) => "damaged",
            Self::OtherEngine(_) => "other_engine",
            Self::NewerSchema(_) => "newer_schema",
            Self::NoKeys => "no_key_ring",
            Self::OtherKeys(_) => "other_keys",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort => {
                f.write_str("it does not end as a backup does: it was cut short, or is none")
            }
            Self::Altered => f.write_str("the checksum is wrong: it was altered after it was made"),
            Self::UnknownForm => f.write_str("a release that writes another form made it"),
            Self::Damaged(why) => write!(f, "its engine cannot read it: {why}"),
            Self::OtherEngine(Engine::Postgres) => {
                f.write_str("it is of PostgreSQL, and database.url names an embedded database")
            }
            Self::OtherEngine(Engine::Sqlite) => {
                f.write_str("it is of an embedded database, and database.url names PostgreSQL")
            }
            Self::NewerSchema(names) => write!(
                f,
                "a later release made it, whose migrations this one does not know: {}",
                names.join(", ")
            ),
            Self::NoKeys => f.write_str(
                "there is no key ring to compare with: put the ring of that time in place first",
            ),
            Self::OtherKeys(keys) => write!(
                f,
                "the key ring lacks keys without which nothing in it opens: {}",
                keys.join(", ")
            ),
        }
    }
}

/// The manifest of a backup, and its problems. `None` if the manifest cannot be read.
///
/// # Errors
/// [`BackupError`] when the file cannot be examined.
pub(crate) async fn verify(
    config: &Config,
    file: &Path,
) -> Result<(Option<Manifest>, Vec<Finding>), BackupError> {
    let mut archive = match archive::open(file)? {
        Ok(archive) => archive,
        Err(finding) => return Ok((None, vec![finding])),
    };
    let mut findings = Vec::new();
    findings.extend(engines_own(config, file, &mut archive).await?);
    findings.extend(archive.manifest.misfits(config)?);
    Ok((Some(archive.manifest), findings))
}

/// The findings of the engine that made the backup.
async fn engines_own(
    config: &Config,
    file: &Path,
    archive: &mut Archive,
) -> Result<Option<Finding>, BackupError> {
    match archive.manifest.engine {
        Engine::Sqlite => {
            let examined = identity_adapters_postgres::Embedded::examine(file).await;
            Ok(match examined {
                Ok(Ok(_)) => None,
                Ok(Err(why)) => Some(Finding::Damaged(why)),
                Err(error) => Some(Finding::Damaged(error.to_string())),
            })
        }
        Engine::Postgres => {
            let read = Tools::of(config).list(archive);
            match read {
                Ok(()) => Ok(None),
                Err(BackupError::Tool { said, .. }) => Ok(Some(Finding::Damaged(said))),
                Err(error) => Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use authentication_app::ports::KeySection;

    #[test]
    fn sections_are_named_as_the_ring_names_them() {
        let sections = [KeySection::FieldEncryption, KeySection::BlindIndex];
        let names = sections.map(KeySection::as_str);
        assert_eq!(names, ["field_encryption", "blind_index"]);
    }
}
