//! Creates a backup of the configured database.

use std::path::Path;

use adapters_crypto::SystemClock;
use common::Clock as _;
use identity_adapters_postgres::Embedded;
use time::format_description::well_known::Rfc3339;

use super::{
    BackupError, archive,
    facts::{Engine, Manifest},
    partial::Partial,
    server_of,
    server_tools::Tools,
};
use crate::{config::Config, wire::Schema};

/// Creates a backup in `target`, which exists afterwards only if the backup is complete. The service keeps running.
///
/// # Errors
/// [`BackupError`].
pub(crate) async fn create(
    config: &Config,
    target: &Path,
    overwrite: bool,
) -> Result<Manifest, BackupError> {
    if !overwrite && target.exists() {
        return Err(BackupError::Taken(target.to_owned()));
    }
    let server = server_of(config).await?;
    let mut partial = Partial::beside(target, "partial")?;
    let manifest = match &server {
        Some(server) => {
            let copy = server.hold().await?;
            let dumped = Tools::of(config).dump(server.url(), &copy, &partial.file);
            let manifest = Manifest::new(
                Engine::Postgres,
                Some(copy.schema.clone()),
                copy.facts.clone(),
                made_at(),
            );
            copy.release().await;
            dumped?;
            manifest
        }
        None => of_embedded(config, &partial).await?,
    };
    let mut sealed = archive::seal(&mut partial, manifest.clone())?;
    if manifest.engine == Engine::Postgres {
        // A dump is useful only if `pg_restore` can read it.
        Tools::of(config).list(&mut sealed)?;
    }
    partial.finish()?;
    Ok(manifest)
}

async fn of_embedded(config: &Config, partial: &Partial) -> Result<Manifest, BackupError> {
    let source = Schema::embedded_file(config).ok_or(BackupError::InMemory)?;
    if !source.exists() {
        return Err(BackupError::NoDatabase(source));
    }
    Embedded::copy(&source, partial.path()).await?;
    let facts = Embedded::examine(partial.path())
        .await?
        .map_err(BackupError::Damaged)?;
    Ok(Manifest::new(Engine::Sqlite, None, facts, made_at()))
}

fn made_at() -> String {
    let now = SystemClock.now();
    // A time that RFC 3339 cannot express becomes the empty string.
    now.replace_nanosecond(0)
        .unwrap_or(now)
        .format(&Rfc3339)
        .unwrap_or_default()
}
