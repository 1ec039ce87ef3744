//! Certificates for the servers of tests: one signed by an authority, and one self-signed.

use std::{path::PathBuf, process::Command};

use tempfile::TempDir;

use super::python;

const SCRIPT: &str = include_str!("certificates.py");

/// An authority, another authority, and their certificates. The files are deleted when this is dropped.
pub struct Certificates {
    folder: TempDir,
}

/// A certificate and its private key, as files.
pub struct Certificate {
    /// The certificate with the intermediate ones up to the authority, PEM.
    pub chain: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

impl Certificates {
    /// Creates the authorities and certificates.
    ///
    /// # Panics
    /// When the Python script fails.
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

    /// The authority that issued [`Self::right`].
    pub fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// An authority that has issued none of these certificates.
    pub fn other_authority(&self) -> PathBuf {
        self.file("other-ca.pem")
    }

    /// A certificate for `localhost`, not for an IP address.
    pub fn right(&self) -> Certificate {
        self.pair("right")
    }

    /// A self-signed certificate for `localhost`.
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
