//! Certificates that servers of tests show: one that an authority vouches for, and one that nobody does.

use std::{path::PathBuf, process::Command};

use tempfile::TempDir;

use super::python;

const SCRIPT: &str = include_str!("certificates.py");

/// An authority, what it vouches for, and what it does not; gone when this is dropped.
pub struct Certificates {
    folder: TempDir,
}

/// A certificate and its private key, as files.
pub struct Certificate {
    /// The certificate with those between it and the authority, PEM.
    pub chain: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// When Python cannot.
    #[expect(
        clippy::new_without_default,
        reason = "it runs a program and writes files"
    )]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for certificates");
        let made = Command::new(python())
            .args(["-c", SCRIPT])
            .arg(folder.path())
            .status()
            .expect("Python starts");
        assert!(made.success(), "certificates can be made");
        Self { folder }
    }

    /// The authority that vouches for [`Self::right`].
    pub fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// An authority that vouches for nobody.
    pub fn other_authority(&self) -> PathBuf {
        self.file("other-ca.pem")
    }

    /// Of `localhost`, and of no address.
    pub fn right(&self) -> Certificate {
        self.pair("right")
    }

    /// Of `localhost`, by its own word.
    pub fn self_signed(&self) -> Certificate {
        self.pair("self-signed")
    }

    fn pair(&self, name: &str) -> Certificate {
        Certificate {
            chain: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
