//! The database and its replicas.

use std::{error::Error, time::Duration};

use adapters_crypto::SystemClock;
use authentication_app::ports::{DestinationBacklog, Outage, StoreError};
use common::Clock as _;
use identity_adapters_postgres::{
    Examination, Pooler, PostgresUrl, SchemaRights, Store, StoreConfig,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Finding, network::Address, side_by_side};
use crate::{
    StartError,
    config::Config,
    wire::{self, Schema},
};

const CHECK: &str = "database";
/// The advice for missing rights.
const GRANT: &str = "run migrate up --grant-to ROLE as the owner of the tables";
const REPLICAS: &str = "replicas";
/// The connection timeout. A server without a free connection is tried until then, so it must be less than the
/// deadline of the whole check.
const LETS_US_IN: Duration = Duration::from_secs(3);
/// Above this clock skew, times in tokens and rate limit windows are wrong.
const MOST_SKEW: time::Duration = time::Duration::seconds(5);
/// Above this clock skew, an operator should check the clocks.
const MUCH_SKEW: time::Duration = time::Duration::milliseconds(500);
/// With fewer partitions ahead than this, the migration should be run again.
const FEW_MONTHS: u32 = 3;
/// A replica with more lag shows outdated data to staff.
const FAR_BEHIND_SECONDS: u64 = 30;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    if let Some(finding) = look_from_outside(config).await {
        return vec![finding];
    }
    let schema = match Schema::open_within(config, LETS_US_IN).await {
        Ok(schema) => schema,
        Err(error) => {
            let seen = format!("it takes no connection of ours ({})", with_causes(&error));
            return vec![Finding::fails(CHECK, seen).do_this(against(&error))];
        }
    };
    let (seen, pending) = (schema.examine().await, schema.pending().await);
    let destinations = match &pending {
        Ok(pending) if pending.is_empty() => schema.destinations().await.unwrap_or_default(),
        _ => Vec::new(),
    };
    schema.close().await;
    let (seen, pending) = match (seen, pending) {
        // The list of applied migrations is in a table too, so missing rights explain that error.
        (Ok(seen), pending)
            if seen.schema == SchemaRights::None
                || (pending.is_err() && !seen.denied.is_empty()) =>
        {
            return vec![judge(config, &seen), judge_clock(&seen)];
        }
        (Ok(seen), Ok(pending)) => (seen, pending),
        (Err(error), _) | (_, Err(error)) => return vec![of_no_answer(&error)],
    };
    let mut findings = vec![
        judge(config, &seen),
        judge_clock(&seen),
        judge_schema(config, &seen, &pending),
    ];
    findings.extend(destinations.iter().filter_map(judge_destination));
    findings
}

/// The advice for a database that refuses the connection.
fn against(error: &StartError) -> &'static str {
    let StartError::Store(StoreError::Unavailable(outage)) = error else {
        return "correct database.url, or the settings of the pooler before the database; for a file, see that it is \
                a database and belongs to the service's user";
    };
    match outage {
        Outage::NameUnknown => "correct the host in database.url, or its name in the DNS",
        Outage::NothingListens | Outage::Away | Outage::Silent => {
            "start PostgreSQL, or correct host and port in database.url; see whether a firewall is between"
        }
        Outage::Broken | Outage::Closed => {
            "see whether PostgreSQL runs and what its log says; with a pooler before it, whether that reaches it and \
             knows this user and database"
        }
        Outage::Tls => {
            "check sslmode and sslrootcert in database.url, and whether the server speaks TLS, with a certificate of \
             that authority and of that name"
        }
        Outage::Restarting => "wait until PostgreSQL has started, and look again",
        Outage::WrongCredentials => {
            "correct user and password in database.url; see pg_hba.conf, and whether the role may log in"
        }
        Outage::NoSuchDatabase => {
            "correct the name of the database in database.url, or make that database"
        }
        Outage::ReadOnly => "point database.url at the primary, or name all servers in it",
        Outage::OutOfConnections | Outage::NoneFree => {
            "close connections of others, or raise max_connections of the server"
        }
        Outage::DiskFull => "make room on the disk of the database",
        Outage::OutOfResources => "see the log of the server for what it lacks",
        Outage::TookTooLong => "see what else keeps the server busy",
        Outage::FilesUnusable => "see that the file, and its folder, belong to the service's user",
    }
}

/// A database that accepts the connection and fails the query.
fn of_no_answer(error: &StoreError) -> Finding {
    let cause = with_causes(error);
    // 42501: `insufficient_privilege`.
    let advice = if cause.contains("42501") {
        GRANT
    } else {
        "see the log of the server"
    };
    let seen = format!("it connects, and does not answer our questions ({cause})");
    Finding::fails(CHECK, seen).do_this(advice)
}

/// An error with its chain of causes, as `serve` reports it.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A destination that is switched off.
fn judge_destination(destination: &DestinationBacklog) -> Option<Finding> {
    let (name, off) = (&destination.destination, destination.off.as_ref()?);
    let (reason, waiting) = (&off.reason, destination.accounts_waiting);
    let seen =
        format!("{name} is switched off ({reason}); events of {waiting} accounts wait for it");
    let advice = format!(
        "ask whoever runs it, then say fashionistar-auth events switch-on {name}; or take it out of \
         the configuration and say events forget {name}"
    );
    Some(Finding::fails("events", seen).do_this(advice))
}

/// A finding that needs no connection, if the server is unreachable or the file does not exist yet.
async fn look_from_outside(config: &Config) -> Option<Finding> {
    if let Some(servers) = config.database.servers() {
        let trouble = trouble_of_all(&servers).await?;
        let advice = "start PostgreSQL, or correct database.url; the service cannot do without";
        return Some(Finding::fails(CHECK, trouble).do_this(advice));
    }
    let file = Schema::embedded_file(config).filter(|file| !file.exists())?;
    let seen = format!("{} is not there; the first start makes it", file.display());
    Some(Finding::ok(CHECK, seen))
}

/// Why none of the servers can be reached; `None` if one can.
async fn trouble_of_all(servers: &PostgresUrl) -> Option<String> {
    let addresses = servers.addresses();
    // A Unix domain socket is checked by connecting later.
    if addresses.len() < servers.servers().len() {
        return None;
    }
    let mut troubles = Vec::new();
    for (host, port) in addresses {
        troubles.push(Address::new(&host, port).trouble().await?);
    }
    Some(troubles.join(", "))
}

fn judge(config: &Config, seen: &Examination) -> Finding {
    let shown = format!(
        "{}{}, {:.1} ms",
        seen.version,
        seen.pooler.as_ref().map(through).unwrap_or_default(),
        seen.round_trip.as_secs_f64() * 1_000.0
    );
    let ours = config.database.max_connections;
    if seen.is_replica {
        Finding::fails(CHECK, format!("{shown}, a replica that takes no writes"))
            .do_this("point database.url at the primary, or name all servers in it")
    } else if seen.is_read_only {
        Finding::fails(CHECK, format!("{shown}, takes no writes: its sessions are read-only")).do_this(
            "see where default_transaction_read_only is set: postgresql.conf, the database or the role",
        )
    } else if seen.schema == SchemaRights::None {
        let seen = format!("{shown}, our role may use no schema of it");
        Finding::fails(CHECK, seen).do_this(GRANT)
    } else if !seen.denied.is_empty() {
        let seen = format!("{shown}, our role lacks rights on {}", seen.denied);
        Finding::fails(CHECK, seen).do_this(GRANT)
    } else if seen.most_connections.is_some_and(|most| ours > most) {
        Finding::fails(
            CHECK,
            format!("{shown}, takes fewer connections than we may open ({ours})"),
        )
        .do_this("lower database.max_connections, or raise max_connections there")
    } else if seen.schema != SchemaRights::Create
        && seen.audit_months.is_some_and(|it| it < FEW_MONTHS)
    {
        let seen = "our role may not create tables, and the audit trail's partitions end soon";
        Finding::warns(CHECK, format!("{shown}, {seen}"))
            .do_this("run migrate up with the role that owns the tables: it makes 24 months ahead")
    } else {
        Finding::ok(CHECK, shown)
    }
}

/// The pooler in between, and its mode as far as it is known.
fn through(pooler: &Pooler) -> String {
    let mode = match pooler.keeps_sessions {
        Some(true) => " in session mode",
        Some(false) => " in transaction mode",
        None => "",
    };
    format!(" through {}{mode}", pooler.name)
}

fn judge_clock(seen: &Examination) -> Finding {
    const CHECK: &str = "clock";
    let apart = seen.clock_ahead.abs();
    let way = if seen.clock_ahead.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    let shown = format!(
        "{:.3} s {way} the database's clock, give or take {:.3} s",
        apart.as_seconds_f64(),
        (seen.round_trip / 2).as_secs_f64()
    );
    let advice = "synchronise the clocks of all nodes and of the database (NTP)";
    // The measurement is accurate to half a round trip.
    if apart > MOST_SKEW {
        Finding::fails(CHECK, shown).do_this(advice)
    } else if apart > MUCH_SKEW + seen.round_trip / 2 {
        Finding::warns(CHECK, shown).do_this(advice)
    } else {
        Finding::ok(CHECK, shown)
    }
}

fn judge_schema(config: &Config, seen: &Examination, pending: &[String]) -> Finding {
    const CHECK: &str = "schema";
    let migrates_itself = seen.most_connections.is_none() || !config.is_production();
    match pending {
        [] => Finding::ok(CHECK, "up to date"),
        _ if migrates_itself => {
            let count = pending.len();
            Finding::ok(
                CHECK,
                format!("{count} migrations pending; the next start applies them"),
            )
        }
        _ => Finding::fails(CHECK, format!("migrations pending: {}", pending.join(", ")))
            .do_this("run fashionistar-auth migrate up: production mode does not serve before"),
    }
}

pub(super) async fn look_at_replicas(config: &Config) -> Vec<Finding> {
    let replicas = (1..).zip(config.database.replica_urls.iter().cloned());
    let looks = replicas.map(|(number, url)| {
        let look = async move { look_at_replica(number, &url).await };
        (format!("number {number}"), look)
    });
    side_by_side(REPLICAS, looks).await
}

async fn look_at_replica(number: usize, url: &SecretString) -> Finding {
    let fails = |seen: String| {
        Finding::fails(REPLICAS, format!("number {number}: {seen}"))
            .do_this("start it, or take it out of database.replica_urls")
    };
    let servers = PostgresUrl::parse(url.expose_secret());
    if let Ok(servers) = servers
        && let Some(trouble) = trouble_of_all(&servers).await
    {
        return fails(trouble);
    }
    let settings = wire::impatient(StoreConfig::new(url.expose_secret()), LETS_US_IN);
    let store = match Store::connect(&settings).await {
        Ok(store) => store,
        Err(error) => {
            let cause = with_causes(&error);
            return fails(format!("it takes no connection of ours ({cause})"));
        }
    };
    let seen = store.examine(|| SystemClock.now()).await;
    store.close().await;
    let Ok(seen) = seen else {
        return fails("it does not answer our questions".to_owned());
    };
    let behind = seen.behind.as_secs();
    let shown = format!("number {number}: {}, {behind} s behind", seen.version);
    if !seen.is_replica {
        Finding::warns(REPLICAS, format!("{shown}, not a replica at all"))
            .do_this("name replicas of database.url there, and no primary")
    } else if behind > FAR_BEHIND_SECONDS {
        Finding::warns(REPLICAS, shown).do_this("see why it lags: network, disk, long queries")
    } else {
        Finding::ok(REPLICAS, shown)
    }
}
