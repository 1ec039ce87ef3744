//! Benchmarks of the service: its cost, and timing leaks.
//!
//! `bench load` runs the release binary and measures its routes. `bench timing` looks for timing differences
//! between known and unknown identifiers. The scripts in `deploy/bench` start them, and `docs/performance.md`
//! explains them. Nothing here is part of the service.
#![expect(clippy::print_stdout, reason = "a report is what it is for")]

mod http;
mod load;
mod people;
mod processes;
mod random;
mod service;
mod statistics;
mod timing;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

/// Any error ends the run and is reported to the user.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures the service.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Requests a second, latencies and CPU time of the routes, beside what the machine allows.
    Load(load::Options),
    /// Whether answers about known and unknown identifiers take the same time.
    Timing(timing::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Load(options) => load::run(&options).map(|()| true),
        Command::Timing(options) => timing::run(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
