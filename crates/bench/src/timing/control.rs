//! Functions that the release binary does not offer: account states set by hand, and a service with a
//! deliberate fault.

use std::{net::SocketAddr, path::Path, sync::Arc};

use async_trait::async_trait;
use authentication_app::ports::{HashError, PasswordHasher, Verification};
use authentication_domain::credentials::{PasswordHash, PlainPassword, Strength};
use server::{Application, Handle, Overrides, config::Config};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{Result, service::SetUp};

/// Suspends accounts directly in the database, as staff will do through the API.
pub(super) struct Suspender<'a> {
    runtime: &'a Runtime,
    connection: Store,
}

enum Store {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// The same statement works on both engines.
const SUSPEND: &str = "UPDATE accounts SET status = 'suspended', status_since = 1 WHERE id = $1";

pub(super) fn suspender<'a>(
    runtime: &'a Runtime,
    database: Option<&str>,
    set_up: &SetUp,
) -> Result<Suspender<'a>> {
    let connection = runtime.block_on(async {
        Ok::<_, sqlx::Error>(if let Some(url) = database {
            Store::Postgres(PgConnection::connect(url).await?)
        } else {
            let url = format!("sqlite://{}", set_up.embedded_database().display());
            Store::Sqlite(SqliteConnection::connect(&url).await?)
        })
    })?;
    Ok(Suspender {
        runtime,
        connection,
    })
}

impl Suspender<'_> {
    pub(super) fn suspend(self, accounts: &[&str]) -> Result<()> {
        let Self {
            runtime,
            mut connection,
        } = self;
        runtime.block_on(async {
            for account in accounts {
                let id: Uuid = account.parse()?;
                let changed = match &mut connection {
                    Store::Postgres(it) => {
                        let done = sqlx::query(SUSPEND).bind(id).execute(it).await?;
                        done.rows_affected()
                    }
                    Store::Sqlite(it) => {
                        let done = sqlx::query(SUSPEND).bind(id).execute(it).await?;
                        done.rows_affected()
                    }
                };
                if changed != 1 {
                    return Err(format!("there is no account {account}").into());
                }
            }
            Ok(())
        })
    }
}

/// Stops the service on drop.
pub(super) struct Running<'a> {
    runtime: &'a Runtime,
    handle: Handle,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.runtime.block_on(self.handle.shut_down());
    }
}

/// Runs the code of this release in this process, with the fault that the timing protocol must detect.
pub(super) fn start_without_dummy_hash<'a>(
    runtime: &'a Runtime,
    folder: &Path,
) -> Result<(SocketAddr, Running<'a>)> {
    let config = Config::for_tests(folder);
    let overrides = Overrides {
        around_hasher: Some(Box::new(|inner| Arc::new(NoDummyHash { inner }))),
        ..Overrides::default()
    };
    let (address, handle) = runtime.block_on(async {
        let application = Application::build(config, overrides).await?;
        let address = application.public_address();
        Ok::<_, server::StartError>((address, application.spawn()))
    })?;
    Ok((address, Running { runtime, handle }))
}

/// A hasher that computes nothing when there is no hash to compare with.
struct NoDummyHash {
    inner: Arc<dyn PasswordHasher>,
}

#[async_trait]
impl PasswordHasher for NoDummyHash {
    async fn hash(&self, password: &PlainPassword) -> std::result::Result<PasswordHash, HashError> {
        self.inner.hash(password).await
    }

    async fn verify(
        &self,
        password: &PlainPassword,
        hash: Option<&PasswordHash>,
    ) -> std::result::Result<Verification, HashError> {
        match hash {
            Some(_) => self.inner.verify(password, hash).await,
            None => Ok(Verification::Mismatch),
        }
    }

    async fn estimate(
        &self,
        password: &PlainPassword,
        guessed_first: Vec<String>,
    ) -> std::result::Result<Strength, HashError> {
        self.inner.estimate(password, guessed_first).await
    }
}
