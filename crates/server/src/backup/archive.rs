//! The form of a backup on the disk.
//!
//! ```text
//! what the engine made │ manifest, JSON │ its length, 8 bytes │ SHA-256 of all before, 32 │ "fashionistar-bk1", 16
//! ```
//!
//! The end comes last: a file that was cut short has none. The engine's own tools read the beginning as it stands.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::{
    BackupError,
    facts::{Finding, Manifest},
    partial::Partial,
};

const MARK: &[u8; 16] = b"fashionistar-bk1";
const DIGEST: u64 = 32;
/// Length, digest, mark.
const END: u64 = 8 + DIGEST + 16;
/// More than any manifest has.
const LONGEST_MANIFEST: u64 = 4 << 20;
const CHUNK: usize = 1 << 20;

/// A backup whose checksum is right.
pub(super) struct Archive {
    pub(super) manifest: Manifest,
    file: File,
    /// Bytes that the engine made.
    pub(super) length: u64,
}

/// Ends a file that holds what the engine made.
pub(super) fn seal(partial: &mut Partial, manifest: Manifest) -> Result<Archive, BackupError> {
    let path = partial.path().to_owned();
    let end = |file: &mut File| -> io::Result<(u64, File)> {
        let length = file.metadata()?.len();
        let mut digest = digest_of(file, length)?;
        let manifest = serde_json::to_vec(&manifest)?;
        let bytes = u64::try_from(manifest.len())
            .unwrap_or(u64::MAX)
            .to_le_bytes();
        digest.update(&manifest);
        digest.update(bytes);
        file.seek(SeekFrom::Start(length))?;
        file.write_all(&manifest)?;
        file.write_all(&bytes)?;
        let sum: [u8; 32] = digest.finalize().into();
        file.write_all(&sum)?;
        file.write_all(MARK)?;
        Ok((length, file.try_clone()?))
    };
    let (length, file) = end(&mut partial.file).map_err(BackupError::file(path))?;
    Ok(Archive {
        manifest,
        file,
        length,
    })
}

/// Opens a backup and reads it to its end.
pub(super) fn open(path: &Path) -> Result<Result<Archive, Finding>, BackupError> {
    // A pipe would be waited for until somebody writes to it.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let mut file = opened.map_err(BackupError::file(path))?;
    let metadata = file.metadata().map_err(BackupError::file(path))?;
    if !metadata.is_file() {
        return Err(BackupError::NoFile(path.to_owned()));
    }
    read(&mut file)
        .map(|found| {
            found.map(|(manifest, length)| Archive {
                manifest,
                file,
                length,
            })
        })
        .map_err(BackupError::file(path))
}

fn read(file: &mut File) -> io::Result<Result<(Manifest, u64), Finding>> {
    let all = file.metadata()?.len();
    let Some(before_end) = all.checked_sub(END) else {
        return Ok(Err(Finding::CutShort));
    };
    let (mut bytes, mut expected, mut mark) = ([0; 8], [0; 32], [0; 16]);
    file.seek(SeekFrom::Start(before_end))?;
    file.read_exact(&mut bytes)?;
    file.read_exact(&mut expected)?;
    file.read_exact(&mut mark)?;
    if &mark != MARK {
        return Ok(Err(Finding::CutShort));
    }
    let of_manifest = u64::from_le_bytes(bytes);
    let length = before_end.checked_sub(of_manifest);
    let Some(length) = length.filter(|_| of_manifest <= LONGEST_MANIFEST) else {
        return Ok(Err(Finding::Altered));
    };
    let sum: [u8; 32] = digest_of(file, before_end + 8)?.finalize().into();
    if sum != expected {
        return Ok(Err(Finding::Altered));
    }
    file.seek(SeekFrom::Start(length))?;
    let mut manifest = Vec::new();
    file.take(of_manifest).read_to_end(&mut manifest)?;
    // The checksum is right, so another release wrote it.
    Ok(match serde_json::from_slice(&manifest) {
        Ok(manifest) => Ok((manifest, length)),
        Err(_) => Err(Finding::UnknownForm),
    })
}

impl Archive {
    /// Writes what the engine made.
    pub(super) fn copy_to(&mut self, target: &mut dyn io::Write) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let copied = io::copy(&mut (&self.file).take(self.length), target)?;
        if copied == self.length {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

fn digest_of(file: &mut File, length: u64) -> io::Result<Sha256> {
    file.seek(SeekFrom::Start(0))?;
    let mut digest = Sha256::new();
    let mut left = file.take(length);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = left.read(&mut chunk)?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else {
            return Ok(digest);
        };
        digest.update(part);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixListener, sync::mpsc, thread, time::Duration};

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for path in [pipe, link, folder.path().to_owned(), "/dev/zero".into()] {
            let (told, answer) = mpsc::channel();
            let opened = path.clone();
            // Nobody ever writes to the pipe: a failure to refuse it would last for ever.
            thread::spawn(move || told.send(open(&opened).map(|_| ())));
            let answer = answer.recv_timeout(Duration::from_secs(30));
            let answer = answer.unwrap_or_else(|_| panic!("{} is waited for", path.display()));
            let why = answer.unwrap_err();
            assert!(matches!(why, BackupError::NoFile(_)), "{why}");
        }
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(open(&socket).is_err());
        let file = folder.path().join("file");
        fs::write(&file, "no backup").unwrap();
        assert!(matches!(open(&file), Ok(Err(Finding::CutShort))));
    }
}
