//! `users`: people, by the file.

mod import;
mod json;
mod line;
mod lines;
mod report;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Users {
    /// Makes accounts of Django's users, from a file with one JSON object a line
    ///
    /// Their passwords go on working. May be run again at any time: whoever is here already is left as they
    /// are. docs/migrating-from-django.md has the query that makes the file. Ends with status 1 if a line was
    /// refused.
    Import(Import),
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
    }
}
