//! Errors of key rings.

use std::{io, path::Path, path::PathBuf};

/// Why a key ring cannot be used. Names files, sections and key ids, but never a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The file system reported an error.
    #[error("the key ring at {} cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The file does not exist.
    #[error("the key ring at {} is not there", .0.display())]
    Missing(PathBuf),
    /// The file mode grants access to other users.
    #[error(
        "the key ring at {} is open to others (mode {mode:03o}); nobody but its owner may have \
         access: chmod 600",
        path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not JSON, or not a key ring document. The surrounding text is left out, because it may contain a key.
    #[error("the key ring is no well-formed document (line {line}, column {column})")]
    Malformed {
        /// Starts at 1.
        line: usize,
        /// Starts at 1; 0 at the end of a line.
        column: usize,
    },
    /// The document was written by another release.
    #[error("the key ring has version {0}, which this release does not know")]
    UnknownVersion(u32),
    /// A section has no current key.
    #[error("the key ring has no key in {section}")]
    NoKey {
        /// The section.
        section: &'static str,
    },
    /// An id is malformed. Ids are parts of tokens and of stored values.
    #[error("a key id in {section} of the key ring is not 1 to 32 letters, digits, '-' or '_'")]
    MalformedId {
        /// The section.
        section: &'static str,
    },
    /// An id is used twice in a section.
    #[error("two keys in {section} of the key ring have the id {id}")]
    RepeatedId {
        /// The section.
        section: &'static str,
        /// The id.
        id: String,
    },
    /// A key is used twice. One key serves one purpose (NIST SP 800-57 part 1 §5.2).
    #[error("the key {id} in {section} of the key ring is there a second time")]
    RepeatedKey {
        /// The section of the second occurrence.
        section: &'static str,
        /// Its id there.
        id: String,
    },
    /// A section has more than one current or next key.
    #[error("two keys in {section} of the key ring are {state}")]
    TwoInOneStage {
        /// The section.
        section: &'static str,
        /// The stage.
        state: &'static str,
    },
    /// A retired key has a value, or a key in another stage has none.
    #[error("the key {id} in {section} of the key ring is {state}, and must {} a value", if *state == "retired" { "not have" } else { "have" })]
    KeyInWrongStage {
        /// The section.
        section: &'static str,
        /// The id.
        id: String,
        /// The stage.
        state: &'static str,
    },
    /// Production mode refuses keys that the service generated for itself.
    #[error("the key ring holds keys that the service made for development")]
    ForDevelopment,
    /// The file does not contain a later version of the ring in use.
    #[error("this is another key ring: it does not know the key of {section} that is in use")]
    AnotherRing {
        /// A section whose current key is missing.
        section: &'static str,
    },
    /// Another process is changing the file, or has changed it since it was read.
    #[error("the key ring at {} was changed by another command at the same moment: nothing was done", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The value is not usable as a key.
    #[error("the key {id} in {section} of the key ring is not {expected}")]
    UnusableKey {
        /// The section.
        section: &'static str,
        /// The id.
        id: String,
        /// The expected kind of key.
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
