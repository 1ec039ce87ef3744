//! A load run: measures each route for some seconds, on each kind of stores.

mod argon;
mod bare_update;
mod clients;
mod drive;
mod phases;
mod report;

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::{
    Result,
    processes::{self, Family},
    service::{SetUp, Stores},
    statistics::median,
};
use argon::Limit;
use bare_update::BareUpdate;
pub(crate) use bare_update::create_database;
use phases::Row;

/// What to run, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    stores: Stores,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// People who are signed in. The limits by account (600 calls and 20 sign-ins a minute) hold in a run too: a
    /// measurement ends early when they have used up their calls.
    #[arg(long, default_value_t = 800)]
    people: usize,
    /// Only rows whose name holds this text.
    #[arg(long)]
    only: Option<String>,
    /// Also writes the figures as JSON here.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
}

impl Options {
    const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn wants(&self, row: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|part| row.contains(part.as_str()))
    }
}

/// All results of a run.
#[derive(Serialize)]
struct Findings {
    machine: String,
    seconds: u64,
    connections: usize,
    argon2: Limit,
    stores: Vec<OnStores>,
}

/// The results on one kind of stores.
#[derive(Serialize)]
struct OnStores {
    stores: &'static str,
    first_start_ms: f64,
    start_ms: f64,
    idle_mib: f64,
    most_mib: f64,
    rows: Vec<Row>,
    bare_update: Option<BareUpdate>,
}

/// How many starts on an existing database are timed.
const STARTS: usize = 5;

pub(crate) fn run(options: &Options) -> Result<()> {
    let machine = processes::machine();
    let mut findings = Findings {
        machine,
        seconds: options.seconds,
        connections: options.connections,
        argon2: argon::measure(options.duration()),
        stores: Vec::new(),
    };
    report::head(&findings);
    let embedded = on_embedded(options)?;
    report::stores(&findings.argon2, &embedded);
    findings.stores.push(embedded);
    if let (Some(postgres), Some(redis)) = (&options.stores.postgres_url, &options.stores.redis_url)
    {
        let production = on_servers(options, postgres, redis)?;
        report::stores(&findings.argon2, &production);
        findings.stores.push(production);
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&findings)?)?;
    }
    Ok(())
}

fn on_embedded(options: &Options) -> Result<OnStores> {
    let set_up = SetUp::new(&options.stores.binary, None)?;
    measure(options, "SQLite, no Redis", &set_up, [None, None], None)
}

fn on_servers(options: &Options, postgres: &str, redis: &str) -> Result<OnStores> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let database = runtime.block_on(create_database(postgres))?;
    let set_up = SetUp::new(&options.stores.binary, Some((&database, redis)))?;
    let families = [options.stores.postgres_pid, options.stores.redis_pid];
    let families = families.map(|pid| pid.map(Family));
    measure(
        options,
        "PostgreSQL and Redis",
        &set_up,
        families,
        Some(&database),
    )
}

fn measure(
    options: &Options,
    stores: &'static str,
    set_up: &SetUp,
    families: [Option<Family>; 2],
    database: Option<&str>,
) -> Result<OnStores> {
    let first = set_up.start()?;
    let first_start_ms = first.ready_after_ms;
    drop(first);
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(set_up.start()?.ready_after_ms);
    }
    let service = set_up.start()?;
    let (idle_mib, _) = service.family().memory()?;
    let rows = phases::run(options, &service, families)?;
    let (_, most_mib) = service.family().memory()?;
    drop(service);
    let bare_update = match (database, families) {
        (Some(url), [Some(postgres), _]) => Some(bare_update::measure(url, postgres, options)?),
        _ => None,
    };
    Ok(OnStores {
        stores,
        first_start_ms,
        start_ms: median(&mut starts),
        idle_mib,
        most_mib,
        rows,
        bare_update,
    })
}
