//! Maps errors of the driver to what the caller can do about them.

use std::io;

use authentication_app::ports::{Outage, StoreError, UniqueRule};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use sqlx::{error::DatabaseError, postgres::PgDatabaseError, sqlite::SqliteError};

use crate::url::UrlMistake;

/// The constraint for: one account per identifier.
const IDENTIFIER_INDEX: &str = "identifier_index_pkey";
/// The constraint for: one passkey per credential id.
const CREDENTIAL_DIGEST: &str = "passkeys_credential_digest_key";
/// Common prefix of the constraints for: one account per identity at a provider, one such identity per account.
const FEDERATED_IDENTITIES: &str = "federated_identities_";

/// Why a statement failed, without the values in it: PostgreSQL's messages may quote them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the database URL names no supported database (postgres, sqlite)")]
    UnknownEngine,
    #[error("the database URL cannot be read")]
    UnreadableUrl,
    #[error("SQLSTATE {code}: {about}")]
    Postgres { code: String, about: String },
    /// A missing privilege, and which role has it.
    #[error("SQLSTATE {code}: {about}: {advice}")]
    Denied {
        code: String,
        about: String,
        advice: &'static str,
    },
    /// Why a database URL is refused.
    #[error("the database URL {0}")]
    Url(UrlMistake),
    #[error("no server of the database URL is what target_session_attrs asks for")]
    NoneSuits,
    #[error(
        "SQLSTATE {0}: prepared statements are lost between the service and PostgreSQL: something gives each \
         transaction another session; from now on nothing is left to sessions"
    )]
    Unprepared(String),
    #[error(
        "a pooler gives each statement another session: the service needs pool_mode = transaction or session"
    )]
    StatementPooling,
    /// SQLite's messages name tables and columns, never values.
    #[error("SQLite {code}: {message}")]
    Sqlite { code: String, message: String },
    /// An error of sea-orm, sqlx or a migration, by kind.
    #[error("the driver failed: {0}")]
    Driver(&'static str),
    /// A migration's own message, which contains names of migrations only.
    #[error("{0}")]
    Migration(String),
    #[error("the column {table}.{column} is not there, or of another type")]
    Column {
        table: &'static str,
        column: &'static str,
    },
    #[error("a unit of work in which a statement failed cannot be committed")]
    BrokenUnit,
    #[error("a row was expected and there is none: {0}")]
    MissingRow(&'static str),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Failed(Box::new(fault))
    }
}

/// What a failure says about the database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is unusable: the server stopped or was replaced.
    Lost,
    /// The server no longer takes writes: after a failover another server is the primary.
    Demoted,
    /// There was no room to write.
    Full,
    /// A prepared statement is missing: the connection no longer has a session of its own.
    Unprepared,
    /// None of these, or nothing that affects the next statement.
    Other,
}

impl Trouble {
    pub(crate) fn of(error: &DbErr) -> Self {
        match error {
            DbErr::Conn(RuntimeErr::SqlxError(error))
            | DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => Self::of_sqlx(error),
            _ => Self::Other,
        }
    }

    fn of_sqlx(error: &sqlx::Error) -> Self {
        let sqlx::Error::Database(error) = error else {
            let lost = matches!(
                error,
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)
            );
            return if lost { Self::Lost } else { Self::Other };
        };
        let code = error.code().unwrap_or_default();
        if error.try_downcast_ref::<SqliteError>().is_some() {
            let is_full = SQLITE_NO_ROOM.contains(&code.parse().unwrap_or(0));
            return if is_full { Self::Full } else { Self::Other };
        }
        match code.as_ref() {
            // disk_full
            "53100" => Self::Full,
            // read_only_sql_transaction
            "25006" => Self::Demoted,
            // invalid_sql_statement_name, duplicate_prepared_statement
            "26000" | "42P05" => Self::Unprepared,
            // Server shutting down, crashed or starting up; connection lost.
            code if code.starts_with("57P0") || code.starts_with("08") => Self::Lost,
            _ => Self::Other,
        }
    }
}

/// `SQLITE_FULL`, `SQLITE_IOERR_WRITE` (a quota or a process limit), `SQLITE_IOERR_SHMSIZE`.
const SQLITE_NO_ROOM: [u32; 3] = [13, 778, 4_874];

pub(crate) fn store_error(error: DbErr) -> StoreError {
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
            StoreError::Unavailable(Outage::Closed)
        }
        DbErr::ConnectionAcquire(_) => StoreError::Unavailable(Outage::NoneFree),
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => from_sqlx(&error),
        DbErr::Custom(message) | DbErr::Migration(message) => Fault::Migration(message).into(),
        _ => Fault::Driver("sea-orm").into(),
    }
}

/// `store_error` for operations that need a certain role; `advice` names the role.
pub(crate) fn denied_or(advice: &'static str) -> impl FnOnce(DbErr) -> StoreError {
    move |error| {
        let cause = match store_error(error) {
            StoreError::Failed(cause) => cause,
            other => return other,
        };
        match cause.downcast::<Fault>() {
            Ok(fault) => match *fault {
                // insufficient_privilege; invalid_schema_name, also reported for a schema that the role cannot see
                Fault::Postgres { code, about } if code == "42501" || code == "3F000" => {
                    let about = if about.is_empty() {
                        "there is no schema for this role".to_owned()
                    } else {
                        about
                    };
                    Fault::Denied {
                        code,
                        about,
                        advice,
                    }
                    .into()
                }
                fault => fault.into(),
            },
            Err(cause) => StoreError::Failed(cause),
        }
    }
}

/// The outage that a driver error indicates, if it indicates one.
pub(crate) fn outage_of(error: &sqlx::Error) -> Option<Outage> {
    match from_sqlx(error) {
        StoreError::Unavailable(outage) => Some(outage),
        _ => None,
    }
}

pub(crate) fn from_sqlx(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => from_database(error.as_ref()),
        sqlx::Error::Io(error) => StoreError::Unavailable(outage_of_io(error)),
        sqlx::Error::Tls(_) => StoreError::Unavailable(Outage::Tls),
        sqlx::Error::PoolTimedOut => StoreError::Unavailable(Outage::NoneFree),
        sqlx::Error::PoolClosed => StoreError::Unavailable(Outage::Closed),
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            StoreError::Unavailable(Outage::Broken)
        }
        sqlx::Error::Configuration(_) => Fault::UnreadableUrl.into(),
        sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => Fault::Driver("a column that cannot be decoded").into(),
        _ => Fault::Driver("sqlx").into(),
    }
}

fn outage_of_io(error: &io::Error) -> Outage {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Outage::NothingListens,
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Outage::Silent,
        // The standard library has no error kind for failures of the resolver.
        _ if error.to_string().contains("failed to lookup address") => Outage::NameUnknown,
        _ => Outage::Broken,
    }
}

fn from_database(error: &dyn DatabaseError) -> StoreError {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        from_postgres(error)
    } else if let Some(error) = error.try_downcast_ref::<SqliteError>() {
        from_sqlite(error)
    } else {
        Fault::Driver("an unknown engine").into()
    }
}

/// Codes: PostgreSQL manual, appendix A.
fn from_postgres(error: &PgDatabaseError) -> StoreError {
    match error.code() {
        // unique_violation
        "23505" => StoreError::Conflict(match error.constraint() {
            Some(IDENTIFIER_INDEX) => UniqueRule::Identifier,
            Some(CREDENTIAL_DIGEST) => UniqueRule::Credential,
            Some(name) if name.starts_with(FEDERATED_IDENTITIES) => UniqueRule::FederatedIdentity,
            _ => UniqueRule::Other,
        }),
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => StoreError::Retryable,
        // invalid_sql_statement_name, duplicate_prepared_statement
        code @ ("26000" | "42P05") => Fault::Unprepared(code.to_owned()).into(),
        // PgBouncer's own message; it uses this code for all its errors.
        "08P01" if error.message().contains("statement pooling") => Fault::StatementPooling.into(),
        code => match outage_of_postgres(code) {
            Some(outage) => StoreError::Unavailable(outage),
            None => Fault::Postgres {
                code: code.to_owned(),
                about: names_in(error),
            }
            .into(),
        },
    }
}

/// The outage that a code indicates, if it is about the server and not about the statement.
fn outage_of_postgres(code: &str) -> Option<Outage> {
    Some(match code {
        // query_canceled (statement_timeout), idle_in_transaction_session_timeout
        "57014" | "25P03" => Outage::TookTooLong,
        // read_only_sql_transaction: a replica, after a failover
        "25006" => Outage::ReadOnly,
        "53100" => Outage::DiskFull,
        "53300" => Outage::OutOfConnections,
        "3D000" => Outage::NoSuchDatabase,
        // admin_shutdown, crash_shutdown, cannot_connect_now
        code if code.starts_with("57P") => Outage::Restarting,
        // invalid_authorization_specification, invalid_password
        code if code.starts_with("28") => Outage::WrongCredentials,
        code if code.starts_with("53") => Outage::OutOfResources,
        code if code.starts_with("08") => Outage::Broken,
        code if code.starts_with("58") => Outage::FilesUnusable,
        _ => return None,
    })
}

/// The names in an error: what it is about. Messages of class 42 (undefined table, insufficient privilege) contain
/// only names; others may quote a value.
fn names_in(error: &PgDatabaseError) -> String {
    if error.code().starts_with("42") {
        return error.message().to_owned();
    }
    let names = [error.table(), error.column(), error.constraint()];
    let names: Vec<_> = names.into_iter().flatten().collect();
    names.join(" ")
}

/// <https://www.sqlite.org/rescode.html>: the low byte is the primary code.
fn from_sqlite(error: &SqliteError) -> StoreError {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const READ_ONLY: u32 = 8;
    const IO_ERROR: u32 = 10;
    const CANNOT_OPEN: u32 = 14;

    let code = error.code().unwrap_or_default();
    if error.is_unique_violation() {
        // SQLite reports the columns of a constraint instead of its name.
        let of = |column| error.message().contains(column);
        return StoreError::Conflict(if of(" identifier_index.") {
            UniqueRule::Identifier
        } else if of(" passkeys.credential_digest") {
            UniqueRule::Credential
        } else if of(" federated_identities.") {
            UniqueRule::FederatedIdentity
        } else {
            UniqueRule::Other
        });
    }
    match code.parse().unwrap_or(0_u32) & 0xff {
        BUSY | LOCKED => StoreError::Retryable,
        _ if SQLITE_NO_ROOM.contains(&code.parse().unwrap_or(0)) => {
            StoreError::Unavailable(Outage::DiskFull)
        }
        READ_ONLY => StoreError::Unavailable(Outage::ReadOnly),
        IO_ERROR | CANNOT_OPEN => StoreError::Unavailable(Outage::FilesUnusable),
        _ => Fault::Sqlite {
            code: code.into_owned(),
            message: error.message().to_owned(),
        }
        .into(),
    }
}
