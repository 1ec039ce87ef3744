//! Databases on a PostgreSQL server, copied from a template that is migrated once.
//!
//! Test runners start a process for each test. So the template is stored on the server, under a name that changes with
//! the migrations, and an advisory lock ensures that only one process creates it.

use std::thread;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr, Statement};
use url::Url;

use super::{close, connect, in_time, migrate};
use crate::servers;

const TEMPLATE: &str = concat!("fashionistar_template_", env!("SCHEMA_DIGEST"));
/// Key of the advisory lock for creating the template. The number is arbitrary.
const TEMPLATE_LOCK: i64 = 0x6661_7368;

/// One database. It is dropped with the value, even if there are other connections.
#[derive(Debug)]
pub(super) struct PostgresDatabase {
    server: Url,
    name: String,
    url: String,
}

impl PostgresDatabase {
    pub(super) async fn migrated() -> Self {
        let server = server();
        let admin = connect(server.as_str(), 1).await;
        ensure_template(&server, &admin).await;
        let database = Self::create(&admin, server, Some(TEMPLATE)).await;
        close(admin).await;
        database
    }

    pub(super) async fn empty() -> Self {
        let server = server();
        let admin = connect(server.as_str(), 1).await;
        let database = Self::create(&admin, server, None).await;
        close(admin).await;
        database
    }

    async fn create(admin: &DatabaseConnection, server: Url, template: Option<&str>) -> Self {
        let name = servers::unique_name();
        let template = template.unwrap_or("template0");
        execute(
            admin,
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        )
        .await;
        Self {
            url: url_of(&server, &name),
            server,
            name,
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PostgresDatabase {
    /// Drop cannot await, and a runtime cannot be started inside another one, so a separate thread drops the database.
    /// Errors are ignored: they are not what the test is about, and the server is thrown away too.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = thread::spawn(move || {
            crate::runtime::run(async {
                let admin = connect(server.as_str(), 1).await;
                let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                in_time(&statement, admin.execute_unprepared(&statement)).await?;
                in_time("the end of a connection", admin.close()).await
            })
        });
        let _: thread::Result<Result<(), DbErr>> = dropping.join();
    }
}

fn server() -> Url {
    Url::parse(&servers::postgres_url()).expect("TEST_POSTGRES_URL is a URL")
}

fn url_of(server: &Url, database: &str) -> String {
    let mut url = server.clone();
    url.set_path(database);
    url.into()
}

async fn ensure_template(server: &Url, admin: &DatabaseConnection) {
    if template_exists(admin).await {
        return;
    }
    // A session lock: `admin` is a single connection, and the lock is released if the process dies.
    execute(admin, &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await;
    if !template_exists(admin).await {
        make_template(server, admin).await;
    }
    execute(
        admin,
        &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})"),
    )
    .await;
}

/// The template gets its name when it is complete, so that an incomplete one is never copied.
async fn make_template(server: &Url, admin: &DatabaseConnection) {
    let unfinished = format!("{TEMPLATE}_unfinished");
    execute(
        admin,
        &format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"),
    )
    .await;
    execute(
        admin,
        &format!("CREATE DATABASE {unfinished} TEMPLATE template0"),
    )
    .await;
    migrate(&url_of(server, &unfinished)).await;
    // A database with open connections cannot be copied.
    execute(
        admin,
        &format!("ALTER DATABASE {unfinished} WITH ALLOW_CONNECTIONS false"),
    )
    .await;
    execute(
        admin,
        &format!("ALTER DATABASE {unfinished} RENAME TO {TEMPLATE}"),
    )
    .await;
}

async fn template_exists(admin: &DatabaseConnection) -> bool {
    let question = format!("SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'");
    let question = Statement::from_string(admin.get_database_backend(), question);
    let found = in_time("the template", admin.query_one_raw(question)).await;
    found.expect("the server answers").is_some()
}

async fn execute(admin: &DatabaseConnection, statement: &str) {
    in_time(statement, admin.execute_unprepared(statement))
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}
