//! Why there is no key ring.

use std::{io, path::Path, path::PathBuf};

/// Why a key ring cannot be used. Names files, sections and key ids; never a value.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The file system refused.
    #[error("the key ring at {} cannot be read or written", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// There is no such file.
    #[error("the key ring at {} is not there", .0.display())]
    Missing(PathBuf),
    /// The file's mode lets others in.
    #[error(
        "the key ring at {} is open to others (mode {mode:03o}); nobody but its owner may have \
         access: chmod 600",
        path.display()
    )]
    OpenToOthers {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not JSON, or not this document. The text around the place is left out: it may be a key.
    #[error("the key ring is no well-formed document (line {line}, column {column})")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1; 0 when the line has ended.
        column: usize,
    },
    /// A document of another release.
    #[error("the key ring has version {0}, which this release does not know")]
    UnknownVersion(u32),
    /// Every section needs a current key.
    #[error("the key ring has no key in {section}")]
    NoKey {
        /// Where.
        section: &'static str,
    },
    /// Ids are parts of tokens and of stored values.
    #[error("a key id in {section} of the key ring is not 1 to 32 letters, digits, '-' or '_'")]
    MalformedId {
        /// Where.
        section: &'static str,
    },
    /// Ids tell keys apart.
    #[error("two keys in {section} of the key ring have the id {id}")]
    RepeatedId {
        /// Where.
        section: &'static str,
        /// Which.
        id: String,
    },
    /// One key, one use (NIST SP 800-57 part 1 §5.2).
    #[error("the key {id} in {section} of the key ring is there a second time")]
    RepeatedKey {
        /// Where it is found again.
        section: &'static str,
        /// Under which id.
        id: String,
    },
    /// A section has one current key, and one next key at the most.
    #[error("two keys in {section} of the key ring are {state}")]
    TwoInOneStage {
        /// Where.
        section: &'static str,
        /// Which stage.
        state: &'static str,
    },
    /// A retired key is its id alone, and every other one has a value.
    #[error("the key {id} in {section} of the key ring is {state}, and must {} a value", if *state == "retired" { "not have" } else { "have" })]
    KeyInWrongStage {
        /// Where.
        section: &'static str,
        /// Which.
        id: String,
        /// Its stage.
        state: &'static str,
    },
    /// Production mode does not go on with keys that the service made for itself.
    #[error("the key ring holds keys that the service made for development")]
    ForDevelopment,
    /// The file holds no later form of the ring in use.
    #[error("this is another key ring: it does not know the key of {section} that is in use")]
    AnotherRing {
        /// A section that shows it.
        section: &'static str,
    },
    /// Somebody else is changing the file, or did since it was read.
    #[error("the key ring at {} was changed by another command at the same moment: nothing was done", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// The value is unusable.
    #[error("the key {id} in {section} of the key ring is not {expected}")]
    UnusableKey {
        /// Where.
        section: &'static str,
        /// Which.
        id: String,
        /// What it has to be.
        expected: &'static str,
    },
}

impl KeyRingError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn missing(path: &Path) -> Self {
        Self::Missing(path.to_owned())
    }
}
