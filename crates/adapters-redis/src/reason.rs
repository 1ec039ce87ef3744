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

/// What a user may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The command.
    Command,
    /// What the command is about: this key, this channel.
    What,
}

/// Whether it is a right that is missing, and which kind. Within a script, and where the driver chooses the database,
/// it comes with the code of any error, and only the text tells.
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

/// The code of a server that denies a right.
pub(crate) const NO_RIGHT: &str = "NOPERM";
/// Of a server that has no database of the number in the URL.
pub(crate) const NO_SUCH_DATABASE: &str = "no such database";
/// Of a server that takes no more connections.
pub(crate) const NO_CONNECTION_FREE: &str = "no connection free";

/// What may be said of an error: the operating system's words, or the server's code, and where a code stands for
/// anything what it is. The server's text may repeat what it was sent.
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
