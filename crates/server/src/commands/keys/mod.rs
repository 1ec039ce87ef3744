//! `keys …`: creates a key ring, and rotates keys one step at a time.
//!
//! A key is next before it is current, and previous before it is retired, so that nodes may reload the ring at
//! different times. `docs/runbooks/key-rotation.md` describes every section.

mod list;
mod reencrypt;

use std::{
    io::{self, Write as _},
    path::Path,
};

use adapters_crypto::SigningAlgorithm;
use authentication_app::ports::KeySection;
use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret as _;

use super::Failure;
use crate::{
    config::{Config, Variables},
    telemetry::Telemetry,
    wire::{self, KeyDesk, KeyDeskError, StepDone},
};

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Prints a new key ring, for `keys.file` or `keys.json`. Whoever has it has everything
    Generate,
    /// Lists every key with its state, its age and what depends on it; never a key itself
    List,
    /// Takes one step towards a new key: makes the next one, or makes the next one current
    ///
    /// Changes `keys.file` in its place. With `keys.json` the new ring goes to standard output.
    Rotate(Rotate),
    /// Takes a key away that is not current, if nothing depends on it any more
    Retire(Retire),
    /// Wraps data keys and indexes identifiers under the current keys, to the end. The service does the same
    /// by itself, more slowly
    Reencrypt,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Which kind of key
    section: Section,
    /// Which step. Without it: `promote` if there is a next key, otherwise `next`
    #[arg(long)]
    step: Option<Step>,
    /// How the next signing key signs; as the current one, if not said
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// Does not wait for what stands against it, and says what is lost
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Retire {
    /// Which kind of key
    section: Section,
    /// The key's id, as `keys list` shows it
    id: String,
    /// Takes it away although something depends on it, and says what is lost
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    /// Makes the key that comes next
    Next,
    /// Makes the next key current
    Promote,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Algorithm {
    #[value(name = "EdDSA", alias = "eddsa")]
    EdDsa,
    #[value(name = "ES256", alias = "es256")]
    Es256,
    #[value(name = "RS256", alias = "rs256")]
    Rs256,
}

/// A section, by its name in the document.
#[derive(Debug, Clone, Copy)]
struct Section(KeySection);

impl ValueEnum for Section {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Section; 7] = [
            Section(KeySection::FieldEncryption),
            Section(KeySection::BlindIndex),
            Section(KeySection::RefreshTokens),
            Section(KeySection::DeviceTokens),
            Section(KeySection::Codes),
            Section(KeySection::PasswordPepper),
            Section(KeySection::Signing),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(self.0.as_str().into())
    }
}

pub(super) fn run(command: Keys, config: Option<&Path>) -> Result<(), Failure> {
    if matches!(command, Keys::Generate) {
        return print(&wire::new_key_ring());
    }
    let config = Config::for_commands(config, &Variables::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(&config.telemetry).map_err(Failure::other)?;
        let desk = KeyDesk::open(config)?;
        let done = carry_out(command, &desk).await;
        desk.close().await;
        telemetry.flush().await;
        done
    })
}

async fn carry_out(command: Keys, desk: &KeyDesk) -> Result<(), Failure> {
    match command {
        Keys::Generate => print(&wire::new_key_ring()),
        Keys::List => list::run(desk).await,
        Keys::Rotate(rotate) => tell(&step(rotate, desk).await?),
        Keys::Retire(Retire { section, id, force }) => {
            tell(&desk.retire(section.0, &id, force).await?)
        }
        Keys::Reencrypt => reencrypt::run(desk).await,
    }
}

async fn step(rotate: Rotate, desk: &KeyDesk) -> Result<StepDone, KeyDeskError> {
    let section = rotate.section.0;
    let step = match rotate.step {
        Some(step) => step,
        None if desk.has_next(section)? => Step::Promote,
        None => Step::Next,
    };
    let algorithm = rotate.algorithm.map(|algorithm| match algorithm {
        Algorithm::EdDsa => SigningAlgorithm::EdDsa,
        Algorithm::Es256 => SigningAlgorithm::Es256,
        Algorithm::Rs256 => SigningAlgorithm::Rs256,
    });
    match step {
        Step::Next => desk.add_next(section, algorithm).await,
        Step::Promote => desk.promote(section, rotate.force).await,
    }
}

/// Prints the result to standard error, and a key ring that is in no file to standard output.
fn tell(done: &StepDone) -> Result<(), Failure> {
    let mut stderr = io::stderr();
    for blocker in &done.forced {
        writeln!(
            stderr,
            "forced although {}: {}",
            blocker.reason, blocker.loss
        )?;
    }
    if let Some(document) = &done.document {
        writeln!(stderr, "{}", done.what)?;
        return print(document);
    }
    writeln!(io::stdout(), "{}", done.what)?;
    Ok(())
}

fn print(ring: &secrecy::SecretString) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    stdout.write_all(ring.expose_secret().as_bytes())?;
    stdout.write_all(b"\n")?;
    Ok(())
}

impl From<KeyDeskError> for Failure {
    fn from(error: KeyDeskError) -> Self {
        match error {
            KeyDeskError::Configuration(mistakes) => Self::Configuration(mistakes),
            other => Self::other(other),
        }
    }
}
