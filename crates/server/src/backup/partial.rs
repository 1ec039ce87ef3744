//! A file in progress: accessible to its owner only from its first byte, and renamed to its final name only when it
//! is complete.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    process::geteuid,
};

use super::BackupError;

/// The temporary file beside its target. It is removed on drop; one that a killed process left behind is reused by
/// the next run.
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
    pub(super) file: File,
    is_done: bool,
}

impl Partial {
    /// Creates `.NAME.SUFFIX` beside `target`, empty.
    pub(super) fn beside(target: &Path, suffix: &str) -> Result<Self, BackupError> {
        let path = hidden_beside(target, suffix);
        let file = open(&path).map_err(BackupError::file(&path))?;
        // On a file system without locks, the operator has to prevent two runs at once.
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        if locked == Err(rustix::io::Errno::WOULDBLOCK) {
            return Err(BackupError::Busy(path));
        }
        // The previous holder of the lock may just have renamed the file to its final name.
        if !is_named(&file, &path) {
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

    /// Discards the content that a killed run left.
    fn empty(&self) -> io::Result<()> {
        self.file
            .set_permissions(fs::Permissions::from_mode(0o600))?;
        self.file.set_len(0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the file to its final name, and replaces an existing file atomically.
    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        self.file
            .sync_all()
            .map_err(BackupError::file(&self.path))?;
        fs::rename(&self.path, &self.target).map_err(BackupError::file(&self.target))?;
        self.is_done = true;
        sync_folder_of(&self.target).map_err(BackupError::file(&self.target))
    }
}

/// The name is predictable, and others may be able to write to the folder. Therefore the file is created new,
/// unless an earlier run left one that no other user can have open or reach under another name.
fn open(path: &Path) -> io::Result<File> {
    let made = make(path);
    if !made
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
    {
        return made;
    }
    let left = options(OFlags::NOFOLLOW | OFlags::NONBLOCK).open(path);
    if let Ok(file) = left
        && is_ours_alone(&file)?
    {
        return Ok(file);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => make(path),
    }
}

fn make(path: &Path) -> io::Result<File> {
    options(OFlags::NOFOLLOW)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn options(flags: OFlags) -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(flags.bits().cast_signed());
    options
}

/// Checks the open file and not the path, which could be exchanged in between.
fn is_ours_alone(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file()
        && metadata.uid() == geteuid().as_raw()
        && metadata.nlink() == 1
        && metadata.mode() & OTHERS == 0)
}

fn is_named(file: &File, path: &Path) -> bool {
    let place = |metadata: io::Result<fs::Metadata>| {
        let metadata = metadata.ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let here = place(file.metadata());
    here.is_some() && here == place(fs::symlink_metadata(path))
}

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_done {
            // A file that cannot be removed is overwritten by the next run.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `.NAME.SUFFIX` in the same folder, so that renaming is atomic.
pub(super) fn hidden_beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    target.with_file_name(name)
}

/// Syncs the folder of a file: a new name survives a power failure only when the folder is synced too.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::fs::symlink,
    };

    use super::*;

    /// Writes a backup while a planted file has its predictable temporary name.
    fn written(target: &Path) -> fs::Metadata {
        let mut partial = Partial::beside(target, "partial").unwrap();
        partial.file.write_all(b"everybody's data").unwrap();
        partial.finish().unwrap();
        assert_eq!(fs::read(target).unwrap(), b"everybody's data");
        let metadata = fs::symlink_metadata(target).unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.mode() & 0o777, 0o600);
        metadata
    }

    #[test]
    fn nothing_is_written_through_a_link_that_somebody_planted() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("backup");
        let planted = hidden_beside(&target, "partial");
        let victim = folder.path().join("victim");
        symlink(&victim, &planted).unwrap();
        written(&target);
        assert!(!victim.exists(), "nothing is made at its end");

        fs::write(&victim, "somebody's own").unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o644)).unwrap();
        symlink(&victim, &planted).unwrap();
        written(&target);
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(&victim, &planted).unwrap();
        let made = written(&target);
        let kept = fs::metadata(&victim).unwrap();
        assert_ne!(made.ino(), kept.ino());
        assert_eq!(fs::read(&victim).unwrap(), b"somebody's own");
    }

    #[test]
    fn nobody_reads_along_in_a_file_that_they_planted() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("backup");
        let planted = hidden_beside(&target, "partial");
        fs::write(&planted, "").unwrap();
        fs::set_permissions(&planted, fs::Permissions::from_mode(0o666)).unwrap();
        let mut theirs = File::open(&planted).unwrap();
        let made = written(&target);
        assert_ne!(made.ino(), theirs.metadata().unwrap().ino());
        let mut seen = Vec::new();
        theirs.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"");
    }

    #[test]
    fn what_a_killed_run_left_is_taken_over_and_a_run_under_way_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("backup");
        let mut killed = Partial::beside(&target, "partial").unwrap();
        killed
            .file
            .write_all(b"half of something that is longer")
            .unwrap();
        let left = killed.file.metadata().unwrap().ino();
        let second = Partial::beside(&target, "partial");
        assert!(matches!(second, Err(BackupError::Busy(_))));
        killed.is_done = true;
        drop(killed);
        assert_eq!(written(&target).ino(), left);
    }
}
