//! The statement of a refresh, sent directly with the driver: its cost in PostgreSQL, without the service.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use identity_adapters_postgres::ROTATE;
use serde::Serialize;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Options;
use crate::{Result, processes::Family};

/// The cost of a statement, in milliseconds of processor time.
#[derive(Serialize)]
pub(super) struct BareUpdate {
    pub(super) a_second: f64,
    pub(super) postgres_cpu: f64,
    pub(super) driver_cpu: f64,
}

/// Creates a database for the run. The test servers run without `fsync`; this turns it on.
pub(crate) async fn create_database(server: &str) -> Result<String> {
    let options: PgConnectOptions = server.parse()?;
    let mut connection = PgConnection::connect_with(&options).await?;
    for statement in ["ALTER SYSTEM SET fsync = on", "SELECT pg_reload_conf()"] {
        connection.execute(statement).await?;
    }
    let name = format!("bench_{}", std::process::id());
    connection
        .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await?;
    let (base, _) = server.rsplit_once('/').ok_or("a URL without a database")?;
    Ok(format!("{base}/{name}"))
}

pub(super) fn measure(url: &str, postgres: Family, options: &Options) -> Result<BareUpdate> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(url, postgres, options))
}

async fn run(url: &str, postgres: Family, options: &Options) -> Result<BareUpdate> {
    let connect: Arc<PgConnectOptions> = Arc::new(url.parse()?);
    let mut first = PgConnection::connect_with(&connect).await?;
    let rows = sqlx::query(
        "SELECT id, generation FROM sessions WHERE ended_at IS NULL ORDER BY id LIMIT 2000",
    )
    .fetch_all(&mut first)
    .await?;
    let mut sessions = Vec::new();
    for row in &rows {
        sessions.push((row.try_get::<Uuid, _>(0)?, row.try_get::<i64, _>(1)?));
    }
    // As many connections as the service has.
    let share = sessions.len().div_ceil(options.connections.max(1)).max(1);
    let own = Family(std::process::id());
    let (before, driver_before) = (postgres.cpu()?, own.cpu()?);
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for sessions in sessions.chunks(share) {
        let (connect, sessions) = (Arc::clone(&connect), sessions.to_vec());
        workers.spawn(rotate(connect, sessions, options.duration()));
    }
    let mut statements = 0_u32;
    while let Some(done) = workers.join_next().await {
        statements += done??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let each = |cpu: crate::processes::Cpu| cpu.0 * 1e3 / f64::from(statements.max(1));
    Ok(BareUpdate {
        a_second: f64::from(statements) / seconds,
        postgres_cpu: each(postgres.cpu()? - before),
        driver_cpu: each(own.cpu()? - driver_before),
    })
}

async fn rotate(
    connect: Arc<PgConnectOptions>,
    mut sessions: Vec<(Uuid, i64)>,
    duration: Duration,
) -> Result<u32> {
    let mut connection = PgConnection::connect_with(&connect).await?;
    let now: i64 = sqlx::query_scalar("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
        .fetch_one(&mut connection)
        .await?;
    let grace = 10_000_000_i64;
    let begun = Instant::now();
    let mut statements = 0;
    loop {
        for (session, generation) in &mut sessions {
            if begun.elapsed() > duration {
                return Ok(statements);
            }
            let row = sqlx::query(ROTATE)
                .bind(*session)
                .bind(*generation)
                .bind(now)
                .bind(grace)
                .fetch_one(&mut connection)
                .await?;
            *generation = row.try_get::<i64, _>("generation")?;
            statements += 1;
        }
    }
}
