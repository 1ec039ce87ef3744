//! `users`: people, by the file.

mod import;
mod json;
mod line;
mod lines;
mod report;
mod reset_factors;
mod unlock;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Users {
    /// Makes accounts of Django's users, from a file with one JSON object a line
    ///
    /// Their passwords go on working. May be run again at any time: whoever is here already is left as they
    /// are. docs/migrating-from-django.md has the query that makes the file. Ends with status 1 if a line was
    /// refused.
    Import(Import),
    /// Takes every second factor off an account whose owner lost them all, after a waiting time
    ///
    /// A running service tells the owner, who can object for 72 hours. May be repeated: what is asked for
    /// already stays as it is. See docs/account-recovery.md.
    ResetFactors(ResetFactors),
    /// Unlocks an account that failed sign-ins locked: its count of failures starts again at zero
    ///
    /// For an owner whom neither code nor link reaches; a complete sign-in or a reset of the password does the
    /// same. See docs/runbooks/an-account-is-locked.md.
    Unlock(Unlock),
}

#[derive(Debug, Args)]
pub(super) struct Unlock {
    /// The id of the account
    #[arg(value_name = "ACCOUNT")]
    account: Uuid,
    /// Why: the number of a ticket, nothing personal
    #[arg(long, value_name = "TEXT", value_parser = reset_factors::reason)]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct ResetFactors {
    /// The id of the account
    #[arg(value_name = "ACCOUNT")]
    account: Uuid,
    /// Why: the number of a ticket, nothing personal
    #[arg(long, value_name = "TEXT", required_unless_present = "cancel", value_parser = reset_factors::reason)]
    reason: Option<String>,
    /// Calls it off
    #[arg(long, conflicts_with = "reason")]
    cancel: bool,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Changes nothing, and tells what would become of each line
    #[arg(long)]
    dry_run: bool,
    /// Accounts made in one transaction
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
    /// Where refused lines go, one JSON object each [default: standard output, as text]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where the old and the new id of everybody goes who is here now, one JSON object each. A dry run has no
    /// new ids to tell
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    mapping: Option<PathBuf>,
    /// Tells other systems nothing: no event for each account
    #[arg(long)]
    no_events: bool,
}

pub(super) fn run(command: &Users, config: Option<&Path>) -> Result<(), Failure> {
    match command {
        Users::Import(command) => import::run(command, config),
        Users::ResetFactors(command) => reset_factors::run(command, config),
        Users::Unlock(command) => unlock::run(command, config),
    }
}
