//! `users`: the commands of operators for accounts.

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
pub(super) use reset_factors::reason;

#[derive(Debug, Subcommand)]
pub(super) enum Users {
    /// Imports Django's users from a file with one JSON object a line
    ///
    /// Their passwords go on working. May be run again at any time: accounts that exist already are not
    /// changed. docs/migrating-from-django.md has the query that makes the file. Ends with status 1 if a line was
    /// refused.
    Import(Import),
    /// Removes every second factor of an account whose owner lost them all, after a waiting time
    ///
    /// A running service sends the owner a notice; the owner can object for as long as
    /// `protection.factor_reset_hours` says. May be repeated: an earlier request stays as it is. See
    /// docs/account-recovery.md.
    ResetFactors(ResetFactors),
    /// Deletes the counted failures of passwords and codes of an account, and the locks that follow from them
    ///
    /// For an owner who gets neither a code nor a link; a complete sign-in or a reset of the password opens the
    /// account too. See docs/runbooks/an-account-is-locked.md.
    Unlock(Unlock),
}

#[derive(Debug, Args)]
pub(super) struct Unlock {
    /// The id of the account (a UUID)
    #[arg(value_name = "ACCOUNT", value_parser = account_id)]
    account: Uuid,
    /// Why: the number of a ticket, nothing personal
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct ResetFactors {
    /// The id of the account (a UUID)
    #[arg(value_name = "ACCOUNT", value_parser = account_id)]
    account: Uuid,
    /// Why: the number of a ticket, nothing personal
    #[arg(long, value_name = "TEXT", required_unless_present = "cancel", value_parser = reason)]
    reason: Option<String>,
    /// Cancels the request
    #[arg(long, conflicts_with = "reason")]
    cancel: bool,
}

/// Parses the id of an account. The error names the expected form, because operators often have an email address
/// instead.
pub(super) fn account_id(typed: &str) -> Result<Uuid, String> {
    typed
        .parse()
        .map_err(|_| "must be the id of the account (a UUID), not an address".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Changes nothing, and reports what would happen to each line
    #[arg(long)]
    dry_run: bool,
    /// How many accounts one transaction makes
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
    /// A file for refused lines, one JSON object each [default: standard output, as text]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// A file for the old and the new id of each imported user, one JSON object each. A dry run makes no new ids
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    mapping: Option<PathBuf>,
    /// Writes no events about these accounts for other systems
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
