//! How the database is, asked and remembered.

use std::time::Duration;

use authentication_app::ports::StoreError;
use sea_orm::{ConnectionTrait as _, DbErr};
use tokio::time::timeout;

use super::{Line, Look, Pool, Way, pooled};

/// How the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It answers.
    Up,
    /// It is there, and all connections are in use.
    Busy,
    /// It answers, and has no room left to write.
    Full,
    /// It answers, and takes no writes: a replica, or one whose sessions are read-only.
    ReadOnly,
    /// It answers, and our role may not use each table as a node does.
    Denied,
    /// It answers, and our tables are not there, or not for our role to see.
    Foreign,
    /// It does not answer.
    Away,
}

impl Condition {
    /// All of them, the good one first.
    pub const ALL: [Self; 7] = [
        Self::Up,
        Self::Busy,
        Self::Full,
        Self::ReadOnly,
        Self::Denied,
        Self::Foreign,
        Self::Away,
    ];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Denied => "denied",
            Self::Foreign => "foreign",
            Self::Away => "away",
        }
    }
}

impl Pool {
    pub(crate) fn last_condition(&self) -> Condition {
        match &self.way {
            Way::Server(watch) if watch.is_away() => Condition::Away,
            _ => match self.health.last() {
                Condition::Up | Condition::Busy if self.room.is_full() => Condition::Full,
                found => found,
            },
        }
    }

    /// How it is; answers within about twice `patience`.
    pub(crate) async fn condition(&self, patience: Duration) -> Condition {
        let found = self.find_condition(patience).await;
        self.health.note(found);
        found
    }

    async fn find_condition(&self, patience: Duration) -> Condition {
        if let Way::Server(watch) = &self.way
            && watch.is_away()
        {
            return Condition::Away;
        }
        match timeout(patience, self.look()).await {
            Ok(Ok(found)) => {
                if found == Condition::ReadOnly
                    && let Way::Server(watch) = &self.way
                {
                    watch.was_demoted();
                }
                let is_full = found == Condition::Up && self.room.is_full();
                if is_full && !self.has_room_again(patience).await {
                    Condition::Full
                } else {
                    found
                }
            }
            Ok(Err(_)) | Err(_) => match &self.way {
                Way::Server(watch) if watch.answers(patience).await => Condition::Busy,
                _ => Condition::Away,
            },
        }
    }

    /// What is wrong with a database that answers.
    async fn look(&self) -> Result<Condition, StoreError> {
        if let Way::File(_) = &self.way {
            return self.ping().await.map(|()| Condition::Up);
        }
        let look = self.ask(true, |line| async move { look(&line).await });
        let look = look.await?;
        self.health.tell(&look);
        Ok(look.condition())
    }

    pub(crate) async fn is_read_only(&self) -> Result<bool, StoreError> {
        if let Way::File(_) = &self.way {
            return Ok(false);
        }
        let look = self.ask(true, |line| async move { look(&line).await });
        Ok(look.await?.is_read_only)
    }

    /// Nobody may write for a long time; so that it is known all the same, SQLite is asked to write a page.
    async fn has_room_again(&self, patience: Duration) -> bool {
        const WRITES_A_PAGE: &str = "PRAGMA user_version = 0";
        if let Way::File(connection) = &self.way {
            let written = timeout(patience, connection.execute_unprepared(WRITES_A_PAGE)).await;
            if matches!(written, Ok(Ok(_))) {
                self.room.note_written();
            }
        }
        !self.room.is_full()
    }
}

async fn look(line: &Line) -> Result<Look, DbErr> {
    let pool = line.connection.get_postgres_connection_pool();
    let mut connection = pool.acquire().await.map_err(pooled::failed)?;
    Look::at(&mut connection).await.map_err(pooled::failed)
}
