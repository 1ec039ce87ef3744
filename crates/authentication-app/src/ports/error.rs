//! What can go wrong in a store, by what the caller can do about it.

/// A rule of uniqueness that the store enforces; the adapter maps constraint names to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UniqueRule {
    /// One account per identifier.
    Identifier,
    /// One passkey per credential id, whosever it is.
    Credential,
    /// One account for an identity at a provider, and one such identity for an account.
    FederatedIdentity,
    /// Anything else: a primary key that met itself.
    Other,
}

/// Why a database cannot do anything now, as an operator would say it. There is no value, host or name in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Outage {
    /// The name of its host means nothing to the resolver.
    #[error("the name of the database's host does not resolve")]
    NameUnknown,
    /// Nothing listens at its address.
    #[error("the database refuses connections: nothing listens there")]
    NothingListens,
    /// It was found to be away, and is asked again in the background.
    #[error("the database cannot be reached")]
    Away,
    /// It does not answer in time.
    #[error("the database does not answer in time")]
    Silent,
    /// The connection ended amid a question.
    #[error("the connection to the database broke")]
    Broken,
    /// TLS could not be agreed on, or the certificate is not trusted.
    #[error("TLS with the database failed")]
    Tls,
    /// It starts up, recovers or shuts down.
    #[error("the database is starting up or shutting down")]
    Restarting,
    /// User or password are wrong, or the role may not log in.
    #[error("the database refuses the user or the password")]
    WrongCredentials,
    /// The server has no database of that name.
    #[error("the server has no such database")]
    NoSuchDatabase,
    /// It is a replica, or set to be read-only.
    #[error("the database is read-only")]
    ReadOnly,
    /// The server lets nobody else in.
    #[error("the database is out of connections")]
    OutOfConnections,
    /// All connections of this node are in use.
    #[error("no connection to the database was free in time")]
    NoneFree,
    /// There is no room to write.
    #[error("the disk of the database is full")]
    DiskFull,
    /// The server has no memory for it, or another limit is reached.
    #[error("the database is out of memory or of another resource")]
    OutOfResources,
    /// The server ended a statement that took too long.
    #[error("a statement took longer than it may")]
    TookTooLong,
    /// Files of the database cannot be read, written or opened.
    #[error("the database's files cannot be read or written")]
    FilesUnusable,
    /// The service closed its connections.
    #[error("the connections to the database are closed")]
    Closed,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else was first.
    #[error("the change conflicts with one made before")]
    Conflict(UniqueRule),
    /// The database gave up one of two rivals (SQLSTATE 40001, 40P01, a busy SQLite); try again.
    #[error("the transaction has to be tried again")]
    Retryable,
    /// The session that acts has ended, or a later proof replaced the token that it was presented with. Nothing was
    /// done.
    #[error("the session is over, or its token was replaced")]
    SessionOver,
    /// The database cannot do it now: what was asked may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(Outage),
    /// A stored value is not what was written: foreign hands, or a bug.
    #[error("a stored value cannot be read: {table}.{column}")]
    Corrupt {
        /// Where.
        table: &'static str,
        /// Which column.
        column: &'static str,
    },
    /// A statement failed for a reason that is our own fault.
    #[error("a statement failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// The same error for one more caller, who waited for the same answer.
    pub(crate) fn repeated(&self) -> Self {
        match self {
            Self::Conflict(rule) => Self::Conflict(*rule),
            Self::Retryable => Self::Retryable,
            Self::SessionOver => Self::SessionOver,
            Self::Unavailable(outage) => Self::Unavailable(*outage),
            Self::Corrupt { table, column } => Self::Corrupt { table, column },
            Self::Failed(cause) => Self::Failed(with_causes(cause.as_ref()).into()),
        }
    }
}

/// The whole chain in one line, for the log: the causes themselves have one owner.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
