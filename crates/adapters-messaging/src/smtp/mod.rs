//! Mail by SMTP.
//!
//! The dialogue is driven step by step rather than by lettre's transport, because it matters how far it got. Before the
//! first byte of the message is sent, the mail has certainly not gone out. After the last byte, only the server's reply
//! tells whether it has.

mod connection;
mod mail;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use async_trait::async_trait;
use authentication_app::ports::{Channel, DeliveryError, Message, MessageSender};
use lettre::{
    Address,
    address::AddressError,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, timeout};

use connection::{Connections, Dialogue, Server};
use mail::Sender;

use crate::unreached;

/// How the connection is protected. No variant falls back to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte (RFC 8314), usually on port 465.
    Tls,
    /// Unencrypted until STARTTLS; a server that does not offer it is refused. Usually on port 587.
    StartTls,
    /// Unencrypted. For a server on the same machine.
    None,
}

/// The mail server, and the sender of the mail.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// The server's host name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether and how TLS is used.
    pub security: SmtpSecurity,
    /// User name and password; `None` for a server without authentication.
    pub credentials: Option<(String, SecretString)>,
    /// The name in `EHLO`: a name with a dot in it, or an address. Anything else is replaced by the loopback address,
    /// since servers refuse a bare name.
    pub ehlo_name: Option<String>,
    /// The address that mail comes from.
    pub from: String,
    /// The display name of that address.
    pub sender_name: String,
    /// The time limit for the dialogue before the message, and again for the message and its reply.
    pub timeout: Duration,
    /// Certificates (PEM) of the only certificate authorities to trust. `None` trusts those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// The most concurrent connections.
    pub connections: usize,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSmtp {
    /// The sender's address is invalid.
    #[error("the sender's address is not one")]
    From(#[from] AddressError),
    /// The authorities' certificates cannot be read.
    #[error("the certificates of the authorities cannot be read (PEM)")]
    Authorities,
    /// TLS cannot be set up for this host.
    #[error("TLS cannot be set up for this host")]
    Tls,
}

/// Sends mail by SMTP.
pub struct SmtpSender {
    server: Server,
    sender: Sender,
    timeout: Duration,
    connections: usize,
}

impl SmtpSender {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// [`InvalidSmtp`].
    pub fn new(config: SmtpConfig) -> Result<Self, InvalidSmtp> {
        let tls = match config.security {
            SmtpSecurity::None => None,
            SmtpSecurity::Tls | SmtpSecurity::StartTls => Some(tls_parameters(&config)?),
        };
        let from: Address = config.from.parse()?;
        let credentials = config
            .credentials
            .map(|(user, password)| Credentials::new(user, password.expose_secret().to_owned()));
        let server = Server {
            host: config.host,
            port: config.port,
            security: config.security,
            tls,
            credentials,
            hello: hello(config.ehlo_name.as_deref().unwrap_or_default()),
            // An address that does not answer leaves time for another.
            connect_timeout: config.timeout / 3,
            connections: Connections::up_to(config.connections),
        };
        Ok(Self {
            server,
            sender: Sender {
                address: from,
                name: config.sender_name,
            },
            timeout: config.timeout,
            connections: config.connections,
        })
    }

    /// Connects and authenticates without sending anything, to check that the settings work.
    ///
    /// # Errors
    /// [`DeliveryError::Away`], with the server's reply code if there was one.
    pub async fn check(&self) -> Result<(), DeliveryError> {
        let connected = timeout(self.timeout, self.server.check()).await;
        connected.unwrap_or_else(|_| Err(silent()))
    }

    async fn begin(&self, message: &lettre::Message) -> Result<Dialogue<'_>, DeliveryError> {
        let deadline = Instant::now() + self.timeout;
        self.server.begin(message.envelope(), deadline).await
    }
}

fn silent() -> DeliveryError {
    tracing::warn!(cause = unreached::SILENT, "the mail server cannot be used");
    DeliveryError::UNREACHED
}

#[async_trait]
impl MessageSender for SmtpSender {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let mail = self.sender.mail(message)?;
        let dialogue = self.begin(&mail).await?;
        // Without a reply to the message itself, its fate is unknown.
        let answered = timeout(self.timeout, dialogue.send(&mail.formatted())).await;
        answered.unwrap_or(Err(DeliveryError::Unknown))
    }

    /// One message per connection: a message that waited for a free connection until its deadline would be reported as
    /// an unreachable server.
    fn at_once(&self, _: Channel) -> usize {
        self.connections
    }
}

/// An address is written as a literal (RFC 5321 §4.1.3).
fn hello(name: &str) -> ClientId {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) if name.contains('.') => ClientId::Domain(name.to_owned()),
        Err(_) => ClientId::Ipv4(Ipv4Addr::LOCALHOST),
    }
}

fn tls_parameters(config: &SmtpConfig) -> Result<TlsParameters, InvalidSmtp> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(pem) = &config.ca_pem {
        let authorities = Certificate::from_pem(pem).map_err(|_| InvalidSmtp::Authorities)?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(authorities);
    }
    builder.build().map_err(|_| InvalidSmtp::Tls)
}
