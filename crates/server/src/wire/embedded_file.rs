//! The lock on the file of an embedded database, in addition to the engine's own locks: those end with a statement,
//! while a restore replaces the file for all processes.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};

/// A lock that processes working on a database hold shared, and a restore holds exclusively. The operating system
/// releases it when its holder exits, also after a crash.
#[derive(Debug)]
pub(crate) struct InUse {
    _lock: File,
}

impl InUse {
    /// Takes the lock shared; `None` during a restore.
    pub(super) fn with_others(database: &Path) -> io::Result<Option<Arc<File>>> {
        Ok(locked(database, FlockOperation::NonBlockingLockShared)?.map(Arc::new))
    }

    /// Takes the lock exclusively; `None` while another process holds it.
    pub(crate) fn alone(database: &Path) -> io::Result<Option<Self>> {
        let lock = locked(database, FlockOperation::NonBlockingLockExclusive)?;
        Ok(lock.map(|lock| Self { _lock: lock }))
    }
}

/// A separate file, because closing another handle of the database file would release the engine's locks.
fn locked(database: &Path, how: FlockOperation) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(beside(database, ".lock"))?;
    match flock(&file, how) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        // On a file system without locks SQLite does not work either.
        Ok(()) | Err(_) => Ok(Some(file)),
    }
}

/// A marker file beside a database during the part of a restore that removes files: the database is inconsistent
/// until the restore is complete.
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
