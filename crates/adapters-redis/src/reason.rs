//! What an error of Redis means, and what may be said of it.

use std::{fmt, io};

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind};

pub(crate) fn no_answer() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// The server's own word, with its code.
pub(crate) fn is_refusal(error: &RedisError) -> bool {
    error.code().is_some()
}

/// The server is there, and this one call may be wrong (or another release's); every other error says that the
/// server, its memory, or its role as primary, is gone.
pub(crate) fn is_about_the_call(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ResponseError
                | ServerErrorKind::CrossSlot
                | ServerErrorKind::NoPerm
                | ServerErrorKind::NoScript
        ) | ErrorKind::UnexpectedReturnType
    )
}

/// Where a node of a Cluster says that a key lives from now on: host (none if it is that node's own) and port.
pub(crate) fn moved_to(error: &RedisError) -> Option<(Option<&str>, u16)> {
    if error.kind() != ErrorKind::Server(ServerErrorKind::Moved) {
        return None;
    }
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    match host {
        "?" => None,
        "" => Some((None, port.parse().ok()?)),
        host => Some((Some(host), port.parse().ok()?)),
    }
}

/// What may be said of an error: the operating system's words, or the server's code. The server's text
/// may repeat what it was sent.
pub(crate) struct Reason<'a>(pub(crate) &'a RedisError);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code() {
            Some(code) => f.write_str(code),
            None if self.0.is_io_error() => self.0.fmt(f),
            None => f.write_str(self.0.category()),
        }
    }
}
