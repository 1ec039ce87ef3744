//! The usage of a pool.

use sea_orm::DbBackend;

use super::Pool;
use crate::sql::Db as _;

/// How the connections of a pool are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// The name of the pool.
    pub name: &'static str,
    /// Connections that are used by a statement or a unit of work.
    pub in_use: u32,
    /// Connections that are open and idle.
    pub idle: u32,
    /// The limit of connections.
    pub most: u32,
}

impl Pool {
    pub(crate) fn usage(&self, name: &'static str) -> PoolUse {
        let pool = self.bare();
        let (open, idle, most) = if self.backend() == DbBackend::Sqlite {
            let pool = pool.get_sqlite_connection_pool();
            let most = pool.options().get_max_connections();
            (pool.size(), pool.num_idle(), most)
        } else {
            let pool = pool.get_postgres_connection_pool();
            let most = pool.options().get_max_connections();
            (pool.size(), pool.num_idle(), most)
        };
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        PoolUse {
            name,
            in_use: open - idle,
            idle,
            most,
        }
    }
}
