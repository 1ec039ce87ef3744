//! The condition of the database: how it is determined and remembered.

use std::time::Duration;

use authentication_app::ports::StoreError;
use sea_orm::{ConnectionTrait as _, DbErr};
use tokio::time::timeout;

use super::{Line, Look, Pool, Way, pooled};

/// The condition of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It answers, and nothing is wrong.
    Up,
    /// It is reachable, but all connections are in use.
    Busy,
    /// It answers, but has no room left for writes.
    Full,
    /// It answers, but takes no writes: a replica, or a server whose sessions are read-only.
    ReadOnly,
    /// It answers, but our role lacks a node's privileges on some table.
    Denied,
    /// It answers, but our tables do not exist or are not visible to our role.
    Foreign,
    /// It does not answer.
    Away,
}

impl Condition {
    /// All conditions, beginning with the good one.
    pub const ALL: [Self; 7] = [
        Self::Up,
        Self::Busy,
        Self::Full,
        Self::ReadOnly,
        Self::Denied,
        Self::Foreign,
        Self::Away,
    ];

    /// The name in metrics.
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

    /// Determines the condition now; takes at most about twice `patience`.
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

    /// There may be no writes for a long time, so SQLite is made to write a page to find out.
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
