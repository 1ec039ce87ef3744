//! Who uses the file of an embedded database, beside the engine's own locks: those end with a statement, and a restore
//! replaces the file for everybody.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};

/// Held by everybody who works on a database, together, or by a restore, alone. The lock ends with its holder, however
/// that ends.
#[derive(Debug)]
pub(crate) struct InUse {
    _lock: File,
}

impl InUse {
    /// Beside others; `None` while a restore is alone.
    pub(super) fn with_others(database: &Path) -> io::Result<Option<Arc<File>>> {
        Ok(locked(database, FlockOperation::NonBlockingLockShared)?.map(Arc::new))
    }

    /// `None` while anybody works on it.
    pub(crate) fn alone(database: &Path) -> io::Result<Option<Self>> {
        let lock = locked(database, FlockOperation::NonBlockingLockExclusive)?;
        Ok(lock.map(|lock| Self { _lock: lock }))
    }
}

/// A file of its own: closing another handle of the database itself would end the engine's locks.
fn locked(database: &Path, how: FlockOperation) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(beside(database, ".lock"))?;
    match flock(&file, how) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        // A file system without locks: SQLite does not work there either.
        Ok(()) | Err(_) => Ok(Some(file)),
    }
}

/// Stands beside a database whose restore has begun to remove files and is not done: such a database is half of two.
pub(crate) struct UnfinishedRestore;

impl UnfinishedRestore {
    pub(crate) fn begin(database: &Path) -> io::Result<()> {
        File::create(beside(database, ".restore-unfinished"))?.sync_all()
    }

    pub(crate) fn end(database: &Path) -> io::Result<()> {
        match fs::remove_file(beside(database, ".restore-unfinished")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn is_there(database: &Path) -> bool {
        beside(database, ".restore-unfinished").exists()
    }
}

fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(end);
    PathBuf::from(name)
}
