//! `keys generate`: a key ring for production, which makes none by itself.

use std::io::{self, Write as _};

use clap::Subcommand;
use secrecy::ExposeSecret as _;

use super::Failure;
use crate::wire;

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Prints a new key ring, for `keys.file` or `keys.json`. Whoever has it has everything
    Generate,
}

pub(super) fn generate() -> Result<(), Failure> {
    let ring = wire::new_key_ring();
    let mut stdout = io::stdout();
    stdout.write_all(ring.expose_secret().as_bytes())?;
    stdout.write_all(b"\n")?;
    Ok(())
}
