//! One text of DDL for both engines.

use sea_orm_migration::{
    SchemaManager,
    sea_orm::{ConnectionTrait as _, DbBackend, DbErr},
};

/// What stands for what in a text: the placeholder, PostgreSQL's word, SQLite's word.
const WORDS: [(&str, &str, &str); 7] = [
    ("{uuid}", "uuid", "BLOB"),
    ("{bytes}", "bytea", "BLOB"),
    ("{int}", "bigint", "INTEGER"),
    // What ends a table. STRICT makes SQLite hold columns to their types.
    ("{table}", "", " STRICT"),
    // Ends a table whose rows are updated often: room on the page for the next version (a HOT update).
    ("{churning_table}", " WITH (fillfactor = 85)", " STRICT"),
    (
        "{outbox_sequence}",
        "bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_events_pkey PRIMARY KEY",
        "INTEGER NOT NULL CONSTRAINT outbox_events_pkey PRIMARY KEY AUTOINCREMENT",
    ),
    (
        "{moves_sequence}",
        "bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT security_moves_pkey PRIMARY KEY",
        "INTEGER NOT NULL CONSTRAINT security_moves_pkey PRIMARY KEY AUTOINCREMENT",
    ),
];

/// A migration waits this long for a lock that somebody holds, then fails instead of holding everybody up.
const GIVE_WAY: &str = "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = 0";

/// Runs the statements in `text`, with the engine's words put in.
pub(crate) async fn run(manager: &SchemaManager<'_>, text: &str) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        db.execute_unprepared(GIVE_WAY).await?;
    }
    db.execute_unprepared(&for_engine(text, backend)).await?;
    Ok(())
}

/// Runs the one text or the other, where the engines have too little in common.
pub(crate) async fn run_either(
    manager: &SchemaManager<'_>,
    postgres: &str,
    sqlite: &str,
) -> Result<(), DbErr> {
    match manager.get_database_backend() {
        DbBackend::Sqlite => run(manager, sqlite).await,
        _ => run(manager, postgres).await,
    }
}

pub(crate) fn for_engine(text: &str, backend: DbBackend) -> String {
    let put_in = |text: String, (placeholder, postgres, sqlite): (&str, &str, &str)| {
        let word = if backend == DbBackend::Sqlite {
            sqlite
        } else {
            postgres
        };
        text.replace(placeholder, word)
    };
    WORDS.into_iter().fold(text.to_owned(), put_in)
}
