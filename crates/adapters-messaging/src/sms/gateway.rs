//! Any gateway that takes a text message as JSON.

use std::time::Duration;

use async_trait::async_trait;
use authentication_app::ports::{DeliveryError, Message, MessageSender};
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    BodyTemplate, GatewayUrl, InvalidGateway,
    body::Places,
    client::{client, send},
};

/// Where text messages are posted to.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where to.
    pub url: GatewayUrl,
    /// Sent as a bearer token.
    pub token: Option<SecretString>,
    /// Our own number or name, for a body that has a place for it.
    pub from: Option<String>,
    /// The body.
    pub body: BodyTemplate,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Certificates (PEM) of the only authorities to be believed; those of the system otherwise.
    pub ca_pem: Option<Vec<u8>>,
}

/// Posts each message with its id as `Idempotency-Key`, the same for every attempt.
pub struct HttpGateway {
    config: GatewayConfig,
    client: Client,
}

impl HttpGateway {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// [`InvalidGateway`].
    pub fn new(config: GatewayConfig) -> Result<Self, InvalidGateway> {
        let client = client(&config.url, config.timeout, config.ca_pem.as_deref())?;
        Ok(Self { config, client })
    }
}

#[async_trait]
impl MessageSender for HttpGateway {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let id = message.id.to_string();
        let body = self.config.body.fill(&Places {
            to: &message.to.to_text(),
            text: &message.letter.text,
            id: &id,
            from: self.config.from.as_deref().unwrap_or_default(),
        });
        let mut request = self
            .client
            .post(self.config.url.0.clone())
            .header("Idempotency-Key", id)
            .json(&body);
        if let Some(token) = &self.config.token {
            request = request.bearer_auth(token.expose_secret());
        }
        send(request, message.at).await
    }
}
