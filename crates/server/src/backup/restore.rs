//! Putting a backup in the place of the configured database.
//!
//! Until one rename, or one COMMIT, the old data are there; from then on the new ones are, with a note that what was
//! outstanding in them has to be voided before anything is served (ADR 0053). Whoever is killed in between repeats it,
//! or starts a node.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use adapters_crypto::{SystemClock, SystemRandom};
use authentication_app::{ports::Restore, sessions::Aftermath};
use common::{Clock as _, Id, clock::to_micros};
use identity_adapters_postgres::{Embedded, Server, ServerTarget};
use tokio::time::{Instant, sleep};

use super::{
    BackupError,
    archive::{self, Archive},
    facts::{Engine, Finding, Manifest, verify},
    partial::Partial,
    replaced, server_of,
    server_tools::Tools,
};
use crate::{
    StartError,
    config::Config,
    wire::{self, InUse, Revoking, Schema, UnfinishedRestore},
};

/// How long connections are waited for that were closed a moment ago.
const OTHERS_LEAVE_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Marks the ids of restores.
enum Restoring {}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    /// The backup.
    pub(crate) file: &'a Path,
    /// Whether what is there may go.
    pub(crate) replace: bool,
    /// Whether sessions go on.
    pub(crate) keep_sessions: bool,
    /// The role of the nodes, which loses its rights with the tables that had them.
    pub(crate) grant_to: Option<&'a str>,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct PutBack {
    pub(crate) manifest: Manifest,
    /// Under which name the file is kept that was there before.
    pub(crate) replaced: Option<PathBuf>,
    pub(crate) aftermath: Vec<Aftermath>,
    /// Connections that others made meanwhile.
    pub(crate) others: i64,
    /// Roles that could write to the tables that were replaced, and cannot to the new ones.
    pub(crate) without_rights: Vec<String>,
}

/// Puts a backup back, and does what follows.
///
/// # Errors
/// [`BackupError`]. With [`BackupError::Aftermath`] the data of the backup are in place, and the next start of a node
/// does what is left. With any other one the old data are as they were on PostgreSQL; an embedded database has them
/// too, or those of the backup if its folder could not be written last, and is whole or keeps every node from
/// starting.
pub(crate) async fn restore(config: &Config, order: Order<'_>) -> Result<PutBack, BackupError> {
    let server = server_of(config).await?;
    let (_, findings) = verify(config, order.file).await?;
    if !findings.is_empty() {
        return Err(BackupError::Unfit(findings));
    }
    let mut archive = archive::open(order.file)?.map_err(|it| BackupError::Unfit(vec![it]))?;
    let now = SystemClock.now();
    let restore = Restore {
        id: Id::<Restoring>::at(now, &SystemRandom).as_uuid(),
        marked_at: now,
        keeps_sessions: order.keep_sessions,
    };
    let (replaced, writers) = match archive.manifest.engine {
        Engine::Sqlite => (
            into_file(config, order, &mut archive, &restore).await?,
            Vec::new(),
        ),
        Engine::Postgres => {
            let server = server.as_ref().ok_or(BackupError::Url("it is not set"))?;
            let writers = into_server(config, server, order, &mut archive, &restore).await?;
            (None, writers)
        }
    };
    let (aftermath, others) = follow_up(config, server.as_ref(), order)
        .await
        .map_err(BackupError::Aftermath)?;
    let mut without_rights = writers;
    without_rights.retain(|role| Some(role.as_str()) != order.grant_to);
    Ok(PutBack {
        manifest: archive.manifest,
        replaced,
        aftermath,
        others,
        without_rights,
    })
}

async fn into_file(
    config: &Config,
    order: Order<'_>,
    archive: &mut Archive,
    restore: &Restore,
) -> Result<Option<PathBuf>, BackupError> {
    let target = Schema::embedded_file(config).ok_or(BackupError::InMemory)?;
    let has_data = target.metadata().is_ok_and(|file| file.len() > 0);
    if has_data && !order.replace {
        let there = format!("{} is there already", target.display());
        return Err(BackupError::NotEmpty(there));
    }
    wire::make_folder_of(&target)?;
    let alone = InUse::alone(&target).map_err(BackupError::file(&target))?;
    let Some(_alone) = alone else {
        let used = format!("{} is in use", target.display());
        return Err(BackupError::InUse(used));
    };
    let mut partial = Partial::beside(&target, "restoring")?;
    archive
        .copy_to(&mut partial.file)
        .map_err(BackupError::file(partial.path()))?;
    // What the checksum was right of is what will be served.
    if let Err(damage) = Embedded::examine(partial.path()).await? {
        return Err(BackupError::Unfit(vec![Finding::Damaged(damage)]));
    }
    Embedded::mark(partial.path(), restore).await?;
    let replaced = replaced::make_way(&target, to_micros(restore.marked_at)).await?;
    partial.finish()?;
    UnfinishedRestore::end(&target).map_err(BackupError::file(&target))?;
    Ok(replaced)
}

/// Answers with the roles that could write to what is replaced. Its COMMIT is the last thing that can fail.
async fn into_server(
    config: &Config,
    server: &Server,
    order: Order<'_>,
    archive: &mut Archive,
    restore: &Restore,
) -> Result<Vec<String>, BackupError> {
    let target = alone_with(server).await?;
    if target.tables > 0 && !order.replace {
        let there = format!("the database has {} tables", target.tables);
        return Err(BackupError::NotEmpty(there));
    }
    if target.others > 0 {
        let used = format!("the database has {} other connections", target.others);
        return Err(BackupError::InUse(used));
    }
    let schema = archive.manifest.schema.clone().unwrap_or_default();
    if schema != target.schema {
        return Err(BackupError::Url(
            "its schema is another one than the backup's",
        ));
    }
    let before = Server::before_data(&schema);
    let after = Server::after_data(&schema, restore);
    Tools::of(config).load(server.url(), archive, &schema, (&before, &after))?;
    Ok(target.writers)
}

/// The target, once nobody else is connected to it: a server notices late that a client went away.
async fn alone_with(server: &Server) -> Result<ServerTarget, BackupError> {
    let began = Instant::now();
    loop {
        let target = server.look_at_target().await?;
        if target.others == 0 || began.elapsed() > OTHERS_LEAVE_WITHIN {
            return Ok(target);
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Looks who connected meanwhile, brings the schema up to date, gives the nodes their rights back, and voids what was
/// outstanding. Answers with the connections of others, too.
async fn follow_up(
    config: &Config,
    server: Option<&Server>,
    order: Order<'_>,
) -> Result<(Vec<Aftermath>, i64), StartError> {
    let others = match server {
        Some(server) => server.look_at_target().await?.others,
        None => 0,
    };
    let schema = Schema::open(config).await?;
    let prepared = async {
        schema.up().await?;
        match order.grant_to {
            Some(role) => schema.grant_to_nodes(role).await,
            None => Ok(()),
        }
    }
    .await;
    schema.close().await;
    prepared?;
    let (restores, store) = Revoking::open(config).await?.into_restores();
    let done = restores.finish().await;
    store.close().await;
    Ok((done?, others))
}

/// Says that the database was put back by other means, and does what follows.
///
/// # Errors
/// [`BackupError`].
pub(crate) async fn note_restored(
    config: &Config,
    keep_sessions: bool,
) -> Result<Vec<Aftermath>, BackupError> {
    server_of(config).await?;
    let (restores, store) = Revoking::open(config).await?.into_restores();
    let done = async {
        restores.mark(keep_sessions).await?;
        restores.finish().await
    }
    .await;
    store.close().await;
    Ok(done?)
}
