//! Connections to the mail server: few, kept open for a while, and never in clear where TLS was asked for.

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
use tokio::sync::{Semaphore, SemaphorePermit};

use super::SmtpSecurity;

/// How long an idle connection is kept. Servers close theirs after some minutes.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// The server closes the connection (RFC 5321 §3.8); says nothing about a mail.
const CLOSING: u16 = 421;

/// The server, and the connections to it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: SmtpSecurity,
    pub(super) tls: Option<TlsParameters>,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
    /// How long one of its addresses may take.
    pub(super) connect_timeout: Duration,
    pub(super) connections: Connections,
}

/// So many at once, and those that are idle.
pub(super) struct Connections {
    room: Semaphore,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Connections {
    /// None yet.
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

/// A dialogue that came as far as the message itself.
pub(super) struct Dialogue<'a> {
    server: &'a Server,
    connection: AsyncSmtpConnection,
    _room: SemaphorePermit<'a>,
}

impl Server {
    /// Names sender and recipient, and hears that the server waits for the message. Nothing went out before.
    pub(super) async fn begin(&self, envelope: &Envelope) -> Result<Dialogue<'_>, DeliveryError> {
        let room = self.connections.room.acquire().await;
        let room = room.map_err(|_| DeliveryError::UNREACHED)?;
        let dialogue = |connection| Dialogue {
            server: self,
            connection,
            _room: room,
        };
        if let Some(mut connection) = self.connections.take_idle() {
            match address(&mut connection, envelope).await {
                Ok(()) => return Ok(dialogue(connection)),
                Err(error) if is_about_the_mail(&error) => return Err(judged(&error)),
                // It was closed meanwhile.
                Err(_) => {}
            }
        }
        let mut connection = self.connect().await.map_err(|error| not_taken(&error))?;
        match address(&mut connection, envelope).await {
            Ok(()) => Ok(dialogue(connection)),
            Err(error) => Err(judged(&error)),
        }
    }

    /// Connects and authenticates.
    pub(super) async fn check(&self) -> Result<(), DeliveryError> {
        let mut connection = self.connect().await.map_err(|error| not_taken(&error))?;
        // It did what was asked for; how it parts is of no interest.
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
            // An error for a server that does not offer it.
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
    /// Sends the message and hears what becomes of it.
    pub(super) async fn send(mut self, message: &[u8]) -> Result<(), DeliveryError> {
        match self.connection.message(message).await {
            Ok(_) => {
                self.server.connections.keep(self.connection);
                Ok(())
            }
            Err(error) if error.status().is_some() => Err(judged(&error)),
            Err(_) => Err(DeliveryError::Unknown),
        }
    }
}

async fn address(connection: &mut AsyncSmtpConnection, envelope: &Envelope) -> Result<(), Error> {
    connection
        .command(Mail::new(envelope.from().cloned(), Vec::new()))
        .await?;
    for recipient in envelope.to() {
        connection
            .command(Rcpt::new(recipient.clone(), Vec::new()))
            .await?;
    }
    connection.command(Data).await?;
    Ok(())
}

fn is_about_the_mail(error: &Error) -> bool {
    status(error).is_some_and(|status| status != CLOSING)
}

/// What the server's answer to a mail means: 5xx for ever, 4xx for now (RFC 5321 §4.2.1).
fn judged(error: &Error) -> DeliveryError {
    if error.is_permanent() {
        DeliveryError::Refused {
            status: status(error),
        }
    } else {
        not_taken(error)
    }
}

/// What the server's answer to us means, whatever it is: the mail has nothing to do with it.
fn not_taken(error: &Error) -> DeliveryError {
    DeliveryError::NotTaken {
        status: status(error),
        retry_after: None,
    }
}

fn status(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}
