//! What a connection is while it is there, what is asked over it, and what there is while it is not.

use deadpool_redis::redis::{
    Cmd, FromRedisValue, RedisError, RedisResult, ScriptInvocation, aio::MultiplexedConnection,
};
use tokio::time::Instant;

use crate::{servers::Opened, ticking::BeginLoad};

/// What has to work for anything to.
pub(crate) enum Proof {
    /// What every user of the session cache does.
    Load(BeginLoad),
    /// Asking for this key, where nothing else of ours lives.
    Key(String),
}

pub(crate) enum Circuit {
    /// Calls go through.
    Closed { line: Line, next_doubt: Instant },
    /// Calls fail at once; the first of them when `next_try` has come sends a task to try again.
    Open {
        failures: u32,
        next_try: Instant,
        reason: String,
    },
}

/// A connection, numbered, so that a call that fails late does not cut the one that came after.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) opened: Opened,
}

/// What is asked: kept whole, to be asked again elsewhere.
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

/// Why a call brought nothing.
pub(crate) enum Failure {
    /// It was not sent: the circuit is open.
    Away,
    /// What came of it.
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
