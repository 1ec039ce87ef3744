//! Key ring files.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use common::SecureRandom;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::KeyRingError;

/// Read and write for the owner, no access for others.
const MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;
/// A ring has a few kilobytes; a larger file is something else.
const MAX_BYTES: u64 = 1 << 20;

/// The text of the ring at `path`; `None` when the file does not exist.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyRingError> {
    let failed = |source| KeyRingError::file(path, source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Check the open file, not the path, which may be replaced in between.
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(KeyRingError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(
        usize::try_from(metadata.len().min(MAX_BYTES)).unwrap_or_default(),
    ));
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(Some(text))
}

/// Writes `text` to `path` unless the file exists. Other processes never see a partial file: it is written
/// and synced under another name, and a hard link, which never replaces a file, gives it its name.
pub(super) fn create(
    path: &Path,
    text: &SecretString,
    random: &dyn SecureRandom,
) -> Result<(), KeyRingError> {
    let failed = |source| KeyRingError::file(path, source);
    let folder = folder_of(path);
    let draft = draft_path(folder, path, random);
    write_draft(&draft, text).map_err(failed)?;
    let linked = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    fs::remove_file(&draft).map_err(failed)?;
    linked.map_err(failed)?;
    // Sync the directory, so that the name survives a crash as well: without the ring the data is lost.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

/// Atomically replaces the content `seen` by `text`: a crash leaves either one. Fails when another process is
/// changing the file, or when it no longer contains `seen`.
pub(super) fn replace(
    path: &Path,
    seen: &str,
    text: &SecretString,
    random: &dyn SecureRandom,
) -> Result<(), KeyRingError> {
    let failed = |source| KeyRingError::file(path, source);
    // Replace the target of a symbolic link, not the link.
    let place = fs::canonicalize(path).map_err(failed)?;
    let busy = || KeyRingError::Busy {
        path: path.to_owned(),
    };
    let folder = folder_of(&place);
    // Lock the directory. A lock file would belong to the first user and lock out others.
    let turn = File::open(folder).map_err(failed)?;
    match turn.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(busy()),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    if read(&place)?.is_none_or(|text| *text != seen) {
        return Err(busy());
    }
    let owner = fs::metadata(&place).map_err(failed)?;
    let draft = draft_path(folder, &place, random);
    let replaced = write_draft(&draft, text)
        .and_then(|()| keep_owner(&draft, &owner))
        .and_then(|()| fs::rename(&draft, &place));
    if let Err(error) = replaced {
        // The draft may not exist.
        let _ = fs::remove_file(&draft);
        return Err(failed(error));
    }
    turn.sync_all().map_err(failed)
}

/// The service must be able to read the new file, regardless of which user runs the command.
fn keep_owner(draft: &Path, owner: &fs::Metadata) -> io::Result<()> {
    let draft = File::open(draft)?;
    let own = draft.metadata()?;
    if (own.uid(), own.gid()) != (owner.uid(), owner.gid()) {
        fchown(&draft, Some(owner.uid()), Some(owner.gid()))?;
    }
    draft.set_permissions(fs::Permissions::from_mode(owner.mode() & 0o777))?;
    draft.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn draft_path(folder: &Path, path: &Path, random: &dyn SecureRandom) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = u64::from_be_bytes(common::random::bytes(random));
    folder.join(format!(".{name}.{number:016x}"))
}

fn write_draft(draft: &Path, text: &SecretString) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(draft)?;
    file.write_all(text.expose_secret().as_bytes())?;
    file.sync_all()
}
