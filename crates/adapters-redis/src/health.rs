//! Whether Redis does all that the service asks of it, tried by asking.

use authentication_app::ports::{CacheError, Invalidation};
use deadpool_redis::redis::Script;
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::{
    connection::RedisConnection,
    line::{Ask, Failure},
    reason::Reason,
    revocations::Broadcast,
    ticking::BeginLoad,
};

/// What a user of ours has to be allowed, as rules of an ACL, with `PREFIX` for the prefix of our keys and channels.
/// The last three are for looks alone: at a replica before it is written to, at the map of a Cluster, by `doctor`.
pub const RIGHTS: &str = "~PREFIX* &PREFIX* -@all +evalsha +script|load +publish +subscribe +ping +exists +time \
                          +get +set +del +pexpire +pttl +hset +hsetnx +hget +hmget +hgetall +hdel +hincrby +xadd \
                          +role +cluster|slots +info";

/// What of the service's work Redis does not do, and why: an error of the system, or a code of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisTrouble {
    /// It cannot be reached, or takes no writes: limits and sessions are this node's own.
    #[error("it cannot be used ({0})")]
    Unusable(String),
    /// Some of the commands of our scripts are refused: what needs them is this node's own.
    #[error("it refuses commands that our scripts use ({0})")]
    RefusesCommands(String),
    /// The user of the service lacks these rights: what needs them is this node's own, or cannot be looked at.
    #[error("its user lacks rights: {0}")]
    LacksRights(String),
    /// Other nodes are not told at once what this one ended.
    #[error("it refuses PUBLISH on our channel ({0})")]
    RefusesPublish(String),
    /// This node does not hear at once what others ended.
    #[error("it does not let us listen to our channel ({0})")]
    RefusesSubscribe(String),
    /// The same, although nothing was refused.
    #[error("what is published on our channel is not heard ({0})")]
    NotHeard(String),
}

/// How the listener of this process does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Listening {
    /// There is none: a process that keeps nothing near has nothing to listen for.
    #[default]
    Nobody,
    /// It hears.
    Hears,
    /// It does not at the moment.
    Lost,
    /// It is not let in, or cannot be connected.
    Refused(String),
}

impl RedisConnection {
    /// Whether Redis takes writes; for readiness checks [`Self::health`] says more. One that has no memory left, or
    /// takes no writes, answers a PING.
    ///
    /// # Errors
    /// [`CacheError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn try_writing(&self) -> Result<(), CacheError> {
        self.begin_a_load().await.map_err(|_| CacheError)
    }

    /// Whether Redis does all that is asked of it: every command of our scripts, telling other nodes, and, if this
    /// process listens, hearing them. Leaves nothing behind.
    ///
    /// # Errors
    /// [`RedisTrouble`]; with several, the one that weighs most.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn health(&self) -> Result<(), RedisTrouble> {
        let attempt = Script::new(include_str!("lua/attempt.lua"));
        let mut attempt = attempt.prepare_invoke();
        attempt.key(self.keys().probe());
        if let Err(failure) = self.call::<u64>(Ask::Script(&attempt)).await {
            let reason = self.reason(failure);
            return Err(match self.begin_a_load().await {
                Ok(()) => RedisTrouble::RefusesCommands(reason),
                Err(failure) => RedisTrouble::Unusable(self.reason(failure)),
            });
        }
        if let Err(failure) = self.publish_nothing().await {
            return Err(RedisTrouble::RefusesPublish(self.reason(failure)));
        }
        match self.listening().clone() {
            Listening::Nobody | Listening::Hears => Ok(()),
            Listening::Lost => Err(RedisTrouble::NotHeard("listening anew".to_owned())),
            Listening::Refused(reason) => Err(RedisTrouble::RefusesSubscribe(reason)),
        }
    }

    /// Listens, publishes, and hears it, by a connection of its own; for a process that has no listener.
    ///
    /// # Errors
    /// [`RedisTrouble`].
    pub async fn hear_oneself(&self) -> Result<(), RedisTrouble> {
        let channel = self.keys().revocations();
        let listener = self.listen(&channel, false).await;
        let mut listener = listener.map_err(RedisTrouble::RefusesSubscribe)?;
        if let Err(failure) = self.publish_nothing().await {
            return Err(RedisTrouble::RefusesPublish(self.reason(failure)));
        }
        let mut messages = listener.on_message();
        match timeout(self.response_timeout(), messages.next()).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(RedisTrouble::NotHeard("the connection ended".to_owned())),
            Err(_) => Err(RedisTrouble::NotHeard("no message came".to_owned())),
        }
    }

    /// Tells every listener of nothing: one that hears it knows that it would hear of something.
    pub(crate) async fn publish_nothing(&self) -> Result<(), Failure> {
        let nothing = Broadcast::Invalidation(Invalidation::default());
        let message = nothing.to_text().map_err(|CacheError| Failure::Away)?;
        self.publish(&self.keys().revocations(), &message).await
    }

    async fn begin_a_load(&self) -> Result<(), Failure> {
        let begin_load = BeginLoad::new();
        let call = begin_load.of(self.keys());
        self.call::<u64>(Ask::Script(&call)).await.map(drop)
    }

    fn reason(&self, failure: Failure) -> String {
        match failure {
            Failure::Told(error) => Reason(&error).to_string(),
            Failure::Away => self
                .why_away()
                .unwrap_or_else(|| "it was away a moment ago".to_owned()),
        }
    }
}
