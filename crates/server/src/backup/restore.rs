//! Restores a backup over the configured database.
//!
//! The old data stay in place until a single rename, or a single COMMIT. From then on the new data are there, with
//! a mark that their pending codes, links and sessions must be voided before anything is served (ADR 0053). After
//! an interruption in between, the operator repeats the restore or starts a node.

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

/// How long to wait for connections that were closed a moment ago.
const OTHERS_LEAVE_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The type of the ids of restores.
enum Restoring {}

/// The options of a restore.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    /// The backup.
    pub(crate) file: &'a Path,
    /// Whether existing data may be replaced.
    pub(crate) replace: bool,
    /// Whether sessions stay valid.
    pub(crate) keep_sessions: bool,
    /// The role of the nodes, which loses its rights together with the replaced tables.
    pub(crate) grant_to: Option<&'a str>,
}

/// The result of a restore.
#[derive(Debug)]
pub(crate) struct PutBack {
    pub(crate) manifest: Manifest,
    /// The name under which the replaced file is kept.
    pub(crate) replaced: Option<PathBuf>,
    pub(crate) aftermath: Vec<Aftermath>,
    /// The number of other connections made during the restore.
    pub(crate) others: i64,
    /// Roles that could write to the replaced tables, and cannot write to the new ones.
    pub(crate) without_rights: Vec<String>,
}

/// Restores a backup, and completes the steps that follow.
///
/// # Errors
/// [`BackupError`]. With [`BackupError::Aftermath`] the data of the backup are in place, and the next start of a
/// node completes the remaining steps. With any other error, PostgreSQL still has the old data. An embedded
/// database has the old data too, or those of the backup if only the final sync of its folder failed; it is either
/// intact or keeps every node from starting.
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
    // The copy is examined, because it is what will be served: the checksum covered only the original.
    if let Err(damage) = Embedded::examine(partial.path()).await? {
        return Err(BackupError::Unfit(vec![Finding::Damaged(damage)]));
    }
    Embedded::mark(partial.path(), restore).await?;
    let replaced = replaced::make_way(&target, to_micros(restore.marked_at)).await?;
    partial.finish()?;
    UnfinishedRestore::end(&target).map_err(BackupError::file(&target))?;
    Ok(replaced)
}

/// Returns the roles that could write to the replaced tables. Its COMMIT is the last step that can fail.
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

/// The target, once it has no other connections: a server notices with a delay that a client disconnected.
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

/// Counts the connections made during the restore, migrates the schema, restores the rights of the nodes, and voids
/// pending codes, links and sessions. Also returns the number of other connections.
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

/// Records that the database was restored by other means, and completes the steps that follow.
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
