//! A file in the making: for its owner alone from its first byte, and under its own name only when it is whole.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::BackupError;

/// The file beside its target. It goes when it is dropped; what a kill left behind is taken over by the next one.
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
    pub(super) file: File,
    is_done: bool,
}

impl Partial {
    /// Makes `.NAME.SUFFIX` beside `target`, empty.
    pub(super) fn beside(target: &Path, suffix: &str) -> Result<Self, BackupError> {
        let path = hidden_beside(target, suffix);
        let made = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = made.map_err(BackupError::file(&path))?;
        // On a file system without locks, two at once are the operator's to avoid.
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        if locked == Err(rustix::io::Errno::WOULDBLOCK) {
            return Err(BackupError::Busy(path));
        }
        let partial = Self {
            path,
            target: target.to_owned(),
            file,
            is_done: false,
        };
        partial.empty().map_err(BackupError::file(&partial.path))?;
        Ok(partial)
    }

    /// What a killed run left may have been made by an earlier release.
    fn empty(&self) -> io::Result<()> {
        self.file
            .set_permissions(fs::Permissions::from_mode(0o600))?;
        self.file.set_len(0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its own name. What had it before is gone in the same moment.
    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        self.file
            .sync_all()
            .map_err(BackupError::file(&self.path))?;
        fs::rename(&self.path, &self.target).map_err(BackupError::file(&self.target))?;
        self.is_done = true;
        sync_folder_of(&self.target).map_err(BackupError::file(&self.target))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_done {
            // Whatever is left is overwritten by the next run.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `.NAME.SUFFIX` in the same folder, so that renaming is one step.
pub(super) fn hidden_beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    target.with_file_name(name)
}

/// A name in a folder outlives a power cut only when the folder was written too.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
