//! Connections to the mail server: few, kept open for a while, and never unencrypted where TLS is configured.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use authentication_app::ports::DeliveryError;
use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant as Deadline, timeout_at},
};

use super::{SmtpSecurity, silent};
use crate::unreached;

/// How long an idle connection is kept. Servers close idle connections after some minutes.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// The reply code of a server that closes the connection (RFC 5321 §3.8).
const CLOSING: u16 = 421;

/// The mail server, and the connections to it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: SmtpSecurity,
    pub(super) tls: Option<TlsParameters>,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
    /// The time limit for each address of the server's name.
    pub(super) connect_timeout: Duration,
    pub(super) connections: Connections,
}

/// The limit of concurrent connections, and the idle ones.
pub(super) struct Connections {
    room: Semaphore,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Connections {
    /// A pool without connections, for `most` of them at a time.
    pub(super) const fn up_to(most: usize) -> Self {
        Self {
            room: Semaphore::const_new(most),
            idle: Mutex::new(Vec::new()),
        }
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < KEPT_FOR);
        idle.pop().map(|(connection, _)| connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((connection, Instant::now()));
    }
}

/// An SMTP dialogue that has reached the message itself.
pub(super) struct Dialogue<'a> {
    server: &'a Server,
    connection: AsyncSmtpConnection,
    _room: SemaphorePermit<'a>,
}

impl Server {
    /// Sends the envelope and waits until the server asks for the message. No content is sent before that.
    pub(super) async fn begin(
        &self,
        envelope: &Envelope,
        deadline: Deadline,
    ) -> Result<Dialogue<'_>, DeliveryError> {
        let room = timeout_at(deadline, self.connections.room.acquire()).await;
        let Ok(Ok(room)) = room else {
            return Err(DeliveryError::UNREACHED);
        };
        let dialogue = |connection| Dialogue {
            server: self,
            connection,
            _room: room,
        };
        if let Some(mut connection) = self.connections.take_idle() {
            match address(&mut connection, envelope, deadline).await {
                Ok(()) => return Ok(dialogue(connection)),
                Err(stumble) if stumble.ends_the_connection() => {}
                Err(stumble) => return Err(stumble.meaning()),
            }
        }
        let mut connection = match timeout_at(deadline, self.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(not_reached(&error)),
            Err(_) => return Err(silent()),
        };
        match address(&mut connection, envelope, deadline).await {
            Ok(()) => Ok(dialogue(connection)),
            Err(stumble) => Err(stumble.meaning()),
        }
    }

    /// Connects and authenticates.
    pub(super) async fn check(&self) -> Result<(), DeliveryError> {
        let connected = self.connect().await;
        let mut connection = connected.map_err(|error| not_reached(&error))?;
        // The check has succeeded already; how the connection ends does not matter.
        let _ = connection.quit().await;
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let tls = |security| {
            (self.security == security)
                .then(|| self.tls.clone())
                .flatten()
        };
        let server = (self.host.as_str(), self.port);
        let at_once = tls(SmtpSecurity::Tls);
        let each_address = Some(self.connect_timeout);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, each_address, &self.hello, at_once, None)
                .await?;
        if let Some(tls) = tls(SmtpSecurity::StartTls) {
            // Fails if the server does not offer STARTTLS.
            connection.starttls(tls, &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, credentials).await?;
        }
        Ok(connection)
    }
}

impl Dialogue<'_> {
    /// Sends the message and waits for the server's reply.
    pub(super) async fn send(mut self, message: &[u8]) -> Result<(), DeliveryError> {
        match self.connection.message(message).await {
            Ok(_) => {
                self.server.connections.keep(self.connection);
                Ok(())
            }
            Err(error) => Err(status(&error).map_or(DeliveryError::Unknown, judged)),
        }
    }
}

/// A dialogue that ended before the message.
struct Stumble {
    /// The server's reply code; `None` if the connection broke or there was no reply in time.
    status: Option<u16>,
    /// Whether `MAIL FROM` was accepted. A failure before that has nothing to do with this mail.
    is_named: bool,
}

impl Stumble {
    /// Whether the connection has ended, which may have happened while it was idle.
    fn ends_the_connection(&self) -> bool {
        self.status.is_none_or(|status| status == CLOSING)
    }

    fn meaning(&self) -> DeliveryError {
        match self.status {
            _ if !self.is_named => away(self.status),
            Some(status) => judged(status),
            // One recipient's servers may behave like this, which is no reason for other mail to wait.
            None => DeliveryError::NotTaken {
                status: None,
                retry_after: None,
            },
        }
    }
}

async fn address(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    deadline: Deadline,
) -> Result<(), Stumble> {
    let mut is_named = false;
    let introduction = async {
        connection
            .command(Mail::new(envelope.from().cloned(), Vec::new()))
            .await?;
        is_named = true;
        for recipient in envelope.to() {
            connection
                .command(Rcpt::new(recipient.clone(), Vec::new()))
                .await?;
        }
        connection.command(Data).await?;
        Ok::<_, Error>(())
    };
    let introduced = timeout_at(deadline, introduction).await;
    match introduced {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Stumble {
            status: status(&error),
            is_named,
        }),
        Err(_) => Err(Stumble {
            status: None,
            is_named,
        }),
    }
}

/// The meaning of a reply to a mail: 5yz is permanent, everything else is temporary (RFC 5321 §4.2.1). Greylisting, a
/// full mailbox and a closing server (421, 450, 451, 452) are temporary.
const fn judged(status: u16) -> DeliveryError {
    match status {
        500..=599 => DeliveryError::Refused {
            status: Some(status),
        },
        _ => DeliveryError::NotTaken {
            status: Some(status),
            retry_after: None,
        },
    }
}

/// The meaning of any reply to the service itself or to its name: it has nothing to do with the mail, which may be sent
/// once the problem is fixed.
const fn away(status: Option<u16>) -> DeliveryError {
    DeliveryError::Away {
        status,
        retry_after: None,
    }
}

/// As [`away`], for a dialogue that did not get as far as a mail. Logs the cause.
fn not_reached(error: &Error) -> DeliveryError {
    let status = status(error);
    let cause = match status {
        Some(530 | 534 | 535 | 538) => "it refuses the user or the password",
        Some(_) => "it refuses us",
        None if error.is_timeout() => unreached::SILENT,
        None if error.is_tls() => "TLS failed, or its certificate is not trusted",
        None => unreached::cause(error),
    };
    tracing::warn!(cause, status, "the mail server cannot be used");
    away(status)
}

fn status(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}
