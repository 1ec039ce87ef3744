//! The command line.
//!
//! A command's result goes to standard output and everything else to standard error. Exit status 0: done;
//! 1: it could not be done; 2: the command line or the configuration is wrong.

mod backup;
mod config;
mod doctor;
mod events;
mod healthcheck;
mod keys;
mod messages;
mod migrate;
mod openapi;
mod serve;
mod sessions;
mod users;

use std::{error::Error, fmt, io, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{config::Mistakes, shutdown::complain};

const EXAMPLES: &str = "\
Examples:
  fashionistar-auth                          everything inside, on http://127.0.0.1:8080
  fashionistar-auth --config auth.toml       with settings from a file
  FASHIONISTAR_AUTH__HTTP__LISTEN=127.0.0.1:0 fashionistar-auth serve
                                             a setting from the environment; port 0 takes a free one
  fashionistar-auth migrate up               brings the database to the newest schema
  fashionistar-auth doctor                   looks whether everything that is configured works
  fashionistar-auth config print             every setting in effect, and where it comes from
  fashionistar-auth keys generate > keys.json
                                             a key ring for production
  fashionistar-auth messages parked          messages that could not be sent
  fashionistar-auth keys list                every key, its state, and what depends on it
  fashionistar-auth keys rotate signing      one step towards a new signing key

Every setting is a variable too: http.listen is FASHIONISTAR_AUTH__HTTP__LISTEN.";

/// Identity, authentication and authorization for Fashionistar.
#[derive(Debug, Parser)]
#[command(name = "fashionistar-auth", version, after_help = EXAMPLES)]
pub struct Cli {
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "Settings in TOML [variable: FASHIONISTAR_AUTH__CONFIG]"
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the API until SIGTERM or SIGINT (the default)
    Serve,
    /// Changes the schema of the database, or tells its state
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Looks whether everything that is configured works, and says what to do where it does not
    Doctor(doctor::Doctor),
    /// Shows the configuration
    #[command(subcommand)]
    Config(config::Configuration),
    /// Asks the running service whether it is ready, for container engines
    Healthcheck,
    /// Looks after the events for other systems, or relays them
    #[command(subcommand)]
    Events(events::Events),
    /// Prints the OpenAPI document
    Openapi,
    /// Makes, lists and changes secret keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Shows and handles messages that could not be sent
    #[command(subcommand)]
    Messages(messages::Messages),
    /// Copies the database, looks into a copy, and puts one back
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Ends sessions of many accounts
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    /// Imports users from Django, unlocks accounts, removes lost second factors
    #[command(subcommand)]
    Users(users::Users),
}

/// Runs the command, and prints a failure to standard error.
pub fn run(cli: Cli) -> ExitCode {
    let Err(failure) = carry_out(cli) else {
        return ExitCode::SUCCESS;
    };
    if !matches!(failure, Failure::Told) {
        complain(format!("fashionistar-auth: {failure}\n"));
    }
    failure.exit_code()
}

fn carry_out(cli: Cli) -> Result<(), Failure> {
    let config = cli.config.as_deref();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(config),
        Command::Migrate(command) => migrate::run(&command, config),
        Command::Doctor(command) => doctor::run(&command, config),
        Command::Config(command) => config::run(&command, config),
        Command::Healthcheck => healthcheck::run(config),
        Command::Events(command) => events::run(&command, config),
        Command::Openapi => openapi::run(),
        Command::Keys(command) => keys::run(command, config),
        Command::Messages(command) => messages::run(&command, config),
        Command::Backup(command) => backup::run(&command, config),
        Command::Sessions(command) => sessions::run(&command, config),
        Command::Users(command) => users::run(&command, config),
    }
}

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// The configuration has mistakes.
    Configuration(Mistakes),
    /// The command line is incomplete or wrong.
    Usage(String),
    /// Any other error.
    Other(Box<dyn Error + Send + Sync>),
    /// The failure was reported already, in the log or as the command's result.
    Told,
}

impl Failure {
    /// The exit status of the process.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) | Self::Usage(_) => ExitCode::from(2),
            Self::Other(_) | Self::Told => ExitCode::FAILURE,
        }
    }

    fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(mistakes) => mistakes.fmt(f),
            Self::Usage(reason) => f.write_str(reason),
            Self::Told => f.write_str("the log says why"),
            Self::Other(error) => {
                error.fmt(f)?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
        }
    }
}

impl Error for Failure {}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::Configuration(mistakes)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::other(error)
    }
}
