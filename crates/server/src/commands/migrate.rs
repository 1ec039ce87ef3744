//! `migrate`: the schema of the configured database.

use std::{
    io::{self, Write as _},
    path::Path,
};

use clap::Subcommand;

use super::Failure;
use crate::{
    config::{Config, Variables},
    telemetry::Telemetry,
    wire::Schema,
};

#[derive(Debug, Subcommand)]
pub(super) enum Migrate {
    /// Applies what is pending
    Up {
        /// Lets this role, which nodes sign in as, do what they do and nothing else: it changes no schema, and the
        /// audit trail it can only read and add to. PostgreSQL only
        #[arg(long, value_name = "ROLE")]
        grant_to: Option<String>,
    },
    /// Takes back the newest migrations, with all that is in their tables
    Down {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
        /// Confirms that data may be lost
        #[arg(long)]
        yes: bool,
    },
    /// Lists all migrations, and which of them are pending
    Status,
}

pub(super) fn run(command: &Migrate, config: Option<&Path>) -> Result<(), Failure> {
    if let Migrate::Down { yes: false, .. } = command {
        let reason = "migrate down deletes what is in the tables it takes back: say --yes";
        return Err(Failure::Usage(reason.to_owned()));
    }
    let config = Config::for_commands(config, &Variables::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let telemetry = Telemetry::start(&config.telemetry).map_err(Failure::other)?;
        let schema = Schema::open(&config).await?;
        let done = carry_out(command, &schema).await;
        schema.close().await;
        telemetry.flush().await;
        done
    })
}

async fn carry_out(command: &Migrate, schema: &Schema) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    match command {
        Migrate::Up { grant_to } => {
            let pending = schema.pending().await.map_err(Failure::other)?;
            schema.up().await.map_err(Failure::other)?;
            for name in &pending {
                writeln!(stdout, "applied  {name}")?;
            }
            if pending.is_empty() {
                writeln!(stdout, "nothing is pending")?;
            }
            if let Some(role) = grant_to {
                schema.grant_to_nodes(role).await.map_err(Failure::other)?;
                writeln!(stdout, "granted to {role}")?;
            }
        }
        Migrate::Down { steps, .. } => {
            let before = schema.applied().await.map_err(Failure::other)?;
            schema.down(*steps).await.map_err(Failure::other)?;
            let after = schema.applied().await.map_err(Failure::other)?;
            for name in before.iter().rev().filter(|name| !after.contains(name)) {
                writeln!(stdout, "reverted {name}")?;
            }
            if before.is_empty() {
                writeln!(stdout, "nothing was applied")?;
            }
        }
        Migrate::Status => {
            for name in schema.applied().await.map_err(Failure::other)? {
                writeln!(stdout, "applied  {name}")?;
            }
            for name in schema.pending().await.map_err(Failure::other)? {
                writeln!(stdout, "pending  {name}")?;
            }
        }
    }
    Ok(())
}
