//! The file format of a backup.
//!
//! ```text
//! output of the engine │ manifest, JSON │ its length, 8 bytes │ SHA-256 of everything before, 32 │ "fashionistar-bk1", 16
//! ```
//!
//! The trailer comes last, so a truncated file has none. The tools of the engine can read the file as it is,
//! because its output comes first.

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
/// The size of the trailer: length, digest, mark.
const END: u64 = 8 + DIGEST + 16;
/// A bound above the size of any manifest, in bytes.
const LONGEST_MANIFEST: u64 = 4 << 20;
const CHUNK: usize = 1 << 20;

/// A backup with a correct checksum.
pub(super) struct Archive {
    pub(super) manifest: Manifest,
    file: File,
    /// The length of the engine's output, in bytes.
    pub(super) length: u64,
}

/// Appends manifest and trailer to a file that holds the engine's output.
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

/// Opens a backup and verifies its checksum.
pub(super) fn open(path: &Path) -> Result<Result<Archive, Finding>, BackupError> {
    // Opening a pipe would otherwise block until it has a writer.
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
    // The checksum is correct, so an unreadable manifest comes from another release.
    Ok(match serde_json::from_slice(&manifest) {
        Ok(manifest) => Ok((manifest, length)),
        Err(_) => Err(Finding::UnknownForm),
    })
}

impl Archive {
    /// Writes the engine's output to `target`.
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
            // The pipe never gets a writer: an `open` that does not refuse it would block forever.
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
