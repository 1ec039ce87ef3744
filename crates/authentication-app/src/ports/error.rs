//! Store errors, grouped by how the caller can react.

/// A uniqueness rule that the store enforces; the adapter maps constraint names to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UniqueRule {
    /// One account per identifier.
    Identifier,
    /// One passkey per credential id, over all accounts.
    Credential,
    /// A provider identity opens at most one account, and an account has at most one identity per provider.
    FederatedIdentity,
    /// Any other rule, such as a duplicate primary key.
    Other,
}

/// Why the database is unavailable, in an operator's terms. Holds no value, host or name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Outage {
    /// The database host's name does not resolve.
    #[error("the name of the database's host does not resolve")]
    NameUnknown,
    /// Nothing listens at the address.
    #[error("the database refuses connections: nothing listens there")]
    NothingListens,
    /// It was unreachable before, and is being retried in the background.
    #[error("the database cannot be reached")]
    Away,
    /// It does not answer in time.
    #[error("the database does not answer in time")]
    Silent,
    /// The connection broke during a query.
    #[error("the connection to the database broke")]
    Broken,
    /// TLS could not be negotiated, or the certificate is not trusted.
    #[error("TLS with the database failed")]
    Tls,
    /// It is starting up, recovering or shutting down.
    #[error("the database is starting up or shutting down")]
    Restarting,
    /// The user or password is wrong, or the role may not log in.
    #[error("the database refuses the user or the password")]
    WrongCredentials,
    /// The server has no database of that name.
    #[error("the server has no such database")]
    NoSuchDatabase,
    /// It is a replica, or set to read-only.
    #[error("the database is read-only")]
    ReadOnly,
    /// The server accepts no more connections.
    #[error("the database is out of connections")]
    OutOfConnections,
    /// All connections of this node's pool are in use.
    #[error("no connection to the database was free in time")]
    NoneFree,
    /// The server's disk is full.
    #[error("the disk of the database is full")]
    DiskFull,
    /// The server is out of memory, or another resource limit is reached.
    #[error("the database is out of memory or of another resource")]
    OutOfResources,
    /// The server cancelled a statement that exceeded its time limit.
    #[error("a statement took longer than it may")]
    TookTooLong,
    /// The database's files cannot be opened, read or written.
    #[error("the database's files cannot be read or written")]
    FilesUnusable,
    /// The service closed its own connection pool.
    #[error("the connections to the database are closed")]
    Closed,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A concurrent or earlier change violates this uniqueness rule.
    #[error("the change conflicts with one made before")]
    Conflict(UniqueRule),
    /// The database aborted one of two conflicting transactions (SQLSTATE 40001, 40P01, a busy SQLite); retry it.
    #[error("the transaction has to be tried again")]
    Retryable,
    /// The acting session has ended, or a later proof replaced its token. Nothing was done.
    #[error("the session is over, or its token was replaced")]
    SessionOver,
    /// The database is unavailable; the same request may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(Outage),
    /// A stored value is not what was written: tampering or a bug.
    #[error("a stored value cannot be read: {table}.{column}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A statement failed because of a bug on our side.
    #[error("a statement failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// A copy of the error for one more caller that waited for the same result.
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

/// The whole error chain in one line, for the log; the causes cannot be cloned.
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
