//! The classification of Redis errors, and what may be logged about them.

use std::{fmt, io};

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind};

pub(crate) fn no_answer() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// Whether the error is an answer of the server, with an error code.
pub(crate) fn is_refusal(error: &RedisError) -> bool {
    error.code().is_some()
}

/// Whether the server works and this one call may be at fault (or comes from another release). Every other error means
/// that the server, its memory, or its role as primary is gone.
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

/// The new address of a key's slot, as a node of a Cluster states it (`MOVED`): the host, `None` if it is the same
/// host, and the port.
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

/// The kind of permission that a user lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// To run the command.
    Command,
    /// To access the key or channel.
    What,
}

/// Whether the error is a missing permission, and of which kind. Inside a script, and where the driver selects the
/// database, such an error may have any error code, and only its text shows it.
pub(crate) fn denied(error: &RedisError) -> Option<Denied> {
    let text = error.detail().unwrap_or_default();
    let is_of_a_script =
        text.contains("The user executing the script") || text.contains("ACL failure in script");
    let is_denied = error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
        || is_of_a_script
        || text.contains("has no permissions to ");
    let is_command = text.contains(" run th");
    is_denied.then_some(if is_command {
        Denied::Command
    } else {
        Denied::What
    })
}

/// The reason for a missing permission.
pub(crate) const NO_RIGHT: &str = "NOPERM";
/// The reason if the server has no database with the number in the URL.
pub(crate) const NO_SUCH_DATABASE: &str = "no such database";
/// The reason if the server accepts no more connections.
pub(crate) const NO_CONNECTION_FREE: &str = "no connection free";

/// What may be logged about an error: the operating system's text, or the server's error code; where the code is
/// generic, a description of the error. The server's text is left out, because it may repeat what was sent to it.
pub(crate) struct Reason<'a>(pub(crate) &'a RedisError);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.detail().unwrap_or_default();
        match self.0.code() {
            Some(_) if denied(self.0).is_some() => f.write_str(NO_RIGHT),
            Some(_) if text.contains("DB index is out of range") => f.write_str(NO_SUCH_DATABASE),
            Some(_) if text.contains("max number of clients") => f.write_str(NO_CONNECTION_FREE),
            Some(code) => f.write_str(code),
            None if self.0.is_io_error() => self.0.fmt(f),
            None => f.write_str(self.0.category()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ServerErrorKind, detail: &str) -> RedisError {
        RedisError::from((ErrorKind::Server(kind), "a test", detail.to_owned()))
    }

    #[test]
    fn what_any_code_may_stand_for_is_said_by_its_name() {
        use ServerErrorKind::{NoPerm, ResponseError};
        for (kind, detail, reason, is_denied) in [
            (
                NoPerm,
                "this user has no permissions to run the 'get' command or its subcommand",
                NO_RIGHT,
                Some(Denied::Command),
            ),
            (
                NoPerm,
                "User service has no permissions to run the 'get' command",
                NO_RIGHT,
                Some(Denied::Command),
            ),
            (
                NoPerm,
                "No permissions to access a key",
                NO_RIGHT,
                Some(Denied::What),
            ),
            (
                ResponseError,
                "Error running script (call to f_1): @user_script:3: The user executing the script can't run this \
                 command or subcommand",
                NO_RIGHT,
                Some(Denied::Command),
            ),
            (
                ResponseError,
                "User service has no permissions to run the 'select' command",
                NO_RIGHT,
                Some(Denied::Command),
            ),
            (
                ResponseError,
                "DB index is out of range",
                NO_SUCH_DATABASE,
                None,
            ),
            (
                ResponseError,
                "max number of clients reached",
                NO_CONNECTION_FREE,
                None,
            ),
            (ResponseError, "unknown command 'EVALSHA'", "ERR", None),
        ] {
            let error = of(kind, detail);
            assert_eq!(Reason(&error).to_string(), reason, "{detail}");
            assert_eq!(denied(&error), is_denied, "{detail}");
        }
    }
}
