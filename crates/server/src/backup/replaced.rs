//! The embedded database that a restore replaces. No process may have it open, and its write-ahead log must not be
//! applied to the restored file.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use identity_adapters_postgres::{Embedded, Settled};

use super::{BackupError, partial};
use crate::wire::UnfinishedRestore;

/// The suffixes of the files that belong to a database file.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Removes the old database for a restore, keeps it under another name and returns that name.
///
/// Until the new file is in place, either the old one is intact or [`UnfinishedRestore`] keeps every node from
/// starting.
pub(super) async fn make_way(file: &Path, stamp: i64) -> Result<Option<PathBuf>, BackupError> {
    if !file.exists() {
        remove_companions(file)?;
        return Ok(None);
    }
    let old = with_end(file, &format!(".replaced-{stamp}"));
    match Embedded::settle(file).await {
        Settled::InUse => {
            let used = format!("{} is in use", file.display());
            return Err(BackupError::InUse(used));
        }
        Settled::Whole => {}
        Settled::Unreadable => UnfinishedRestore::begin(file).map_err(BackupError::file(file))?,
    }
    link(file, &old)?;
    for end in COMPANIONS {
        let companion = with_end(file, end);
        if companion.exists() {
            link(&companion, &with_end(&old, end))?;
        }
    }
    remove_companions(file)?;
    Ok(Some(old))
}

fn link(file: &Path, name: &Path) -> Result<(), BackupError> {
    fs::hard_link(file, name).map_err(BackupError::file(name))
}

fn remove_companions(file: &Path) -> Result<(), BackupError> {
    for end in COMPANIONS {
        let companion = with_end(file, end);
        match fs::remove_file(&companion) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::file(companion)(error));
            }
            _ => {}
        }
    }
    partial::sync_folder_of(file).map_err(BackupError::file(file))
}

fn with_end(file: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(end);
    PathBuf::from(name)
}
