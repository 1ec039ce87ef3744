//! Health checks: whether Redis does everything that the service needs, found out by trying it.

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

/// The rights that the service's user needs, as ACL rules; `PREFIX` stands for the prefix of keys and channels. The
/// last three are only for inspection: the role of a primary before it is written to, the slot map of a Cluster, and
/// `doctor`.
pub const RIGHTS: &str = "~PREFIX* &PREFIX* -@all +evalsha +script|load +publish +subscribe +ping +exists +time \
                          +get +set +del +pexpire +pttl +hset +hsetnx +hget +hmget +hgetall +hdel +hincrby +xadd \
                          +role +cluster|slots +info";

/// What Redis does not do for the service, and why: an error of the operating system, or an error code of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisTrouble {
    /// It cannot be reached, or takes no writes. Rate limits and the session cache are local to this node meanwhile.
    #[error("it cannot be used ({0})")]
    Unusable(String),
    /// It refuses some commands of our scripts. The features that use them are local to this node.
    #[error("it refuses commands that our scripts use ({0})")]
    RefusesCommands(String),
    /// The service's user lacks these rights. The features that use them are local to this node or cannot be inspected.
    #[error("its user lacks rights: {0}")]
    LacksRights(String),
    /// Other nodes do not learn at once which sessions this node ended.
    #[error("it refuses PUBLISH on our channel ({0})")]
    RefusesPublish(String),
    /// This node does not learn at once which sessions other nodes ended.
    #[error("it does not let us listen to our channel ({0})")]
    RefusesSubscribe(String),
    /// As `RefusesSubscribe`, although the server refused nothing.
    #[error("what is published on our channel is not heard ({0})")]
    NotHeard(String),
}

/// The state of this process's listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Listening {
    /// There is no listener: a process without a near cache has nothing to listen for.
    #[default]
    Nobody,
    /// It receives the broadcast.
    Hears,
    /// It is reconnecting.
    Lost,
    /// The subscription was refused, or the connection failed.
    Refused(String),
}

impl RedisConnection {
    /// Whether Redis takes writes. A PING does not show that: a server that is out of memory or read-only answers it.
    /// For readiness checks, [`Self::health`] says more.
    ///
    /// # Errors
    /// [`CacheError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn try_writing(&self) -> Result<(), CacheError> {
        self.begin_a_load().await.map_err(|_| CacheError)
    }

    /// Checks that Redis does everything that the service needs: every command of our scripts, publishing to other
    /// nodes and, if this process listens, receiving. Leaves no key behind.
    ///
    /// # Errors
    /// [`RedisTrouble`]; of several, the most severe.
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

    /// Subscribes, publishes and waits for its own message over a separate connection, for a process without a
    /// listener.
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

    /// Publishes an empty invalidation. A listener that receives it knows that the broadcast reaches it.
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
