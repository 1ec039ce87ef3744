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
    /// The database cannot be reached or does not answer in time.
    #[error("the store is not available")]
    Unavailable,
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
            Self::Unavailable => Self::Unavailable,
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
