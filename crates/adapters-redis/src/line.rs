//! A connection, the requests that are sent over it, and the circuit breaker in front of it.

use deadpool_redis::redis::{
    Cmd, FromRedisValue, RedisError, RedisResult, ScriptInvocation, aio::MultiplexedConnection,
};
use tokio::time::Instant;

use crate::{servers::Opened, ticking::BeginLoad};

/// The operation that must succeed before a connection counts as usable.
pub(crate) enum Proof {
    /// Beginning a load, which every user of the session cache does.
    Load(BeginLoad),
    /// Looking up this key, on a node that has no other key of ours.
    Key(String),
}

pub(crate) enum Circuit {
    /// Calls go through.
    Closed { line: Line, next_doubt: Instant },
    /// Calls fail at once. The first call after `next_try` starts a task that tries to reconnect.
    Open {
        failures: u32,
        next_try: Instant,
        reason: String,
    },
}

/// A numbered connection, so that a call that fails late does not close the successor of its connection.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) opened: Opened,
}

/// A request, kept whole so that it can be sent again to another node.
#[derive(Clone, Copy)]
pub(crate) enum Ask<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

impl Ask<'_> {
    pub(crate) async fn of<T: FromRedisValue>(
        self,
        mut connection: MultiplexedConnection,
    ) -> RedisResult<T> {
        match self {
            Self::Script(script) => script.invoke_async(&mut connection).await,
            Self::Command(command) => command.query_async(&mut connection).await,
        }
    }
}

/// Why a call returned no value.
pub(crate) enum Failure {
    /// The call was not sent, because the circuit is open.
    Away,
    /// The call failed with this error.
    Told(RedisError),
}

impl Circuit {
    pub(crate) fn at_the_start() -> Self {
        Self::Open {
            failures: 0,
            next_try: Instant::now(),
            reason: "not connected yet".to_owned(),
        }
    }
}
