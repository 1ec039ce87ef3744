//! Why a provider could not be reached, for the log.

use std::{error::Error, io};

/// The cause in an operator's terms, without any name, address or content.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> &'static str {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return of_io(error);
        }
        next = error.source();
    }
    "the connection failed"
}

/// The cause if a time limit has passed.
pub(crate) const SILENT: &str = "it does not answer in time";

fn of_io(error: &io::Error) -> &'static str {
    // The standard library has no error kind for failures of the resolver.
    if error.to_string().contains("failed to lookup address") {
        return "its name does not resolve";
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there",
        io::ErrorKind::TimedOut => SILENT,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no way to it"
        }
        // Errors of rustls arrive as this kind.
        io::ErrorKind::InvalidData => "TLS failed, or its certificate is not trusted",
        _ => "the connection broke",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[tokio::test]
    async fn a_cause_is_found_however_deep_it_is() {
        let unresolved = tokio::net::lookup_host("nowhere.invalid:25")
            .await
            .map(drop);
        let unresolved = Outer(unresolved.unwrap_err());
        assert_eq!(cause(&unresolved), "its name does not resolve");
        for (kind, said) in [
            (io::ErrorKind::ConnectionRefused, "nothing listens there"),
            (io::ErrorKind::TimedOut, SILENT),
            (io::ErrorKind::ConnectionReset, "the connection broke"),
        ] {
            assert_eq!(cause(&Outer(kind.into())), said);
        }
    }
}
