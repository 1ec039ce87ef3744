//! Any gateway that accepts text messages as JSON.

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

/// A gateway, and how it is called.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The URL that messages are posted to.
    pub url: GatewayUrl,
    /// A bearer token; `None` sends none.
    pub token: Option<SecretString>,
    /// Our number or sender name, for a body with `{from}`.
    pub from: Option<String>,
    /// The template of the body.
    pub body: BodyTemplate,
    /// The time limit for a request, connecting included.
    pub timeout: Duration,
    /// Certificates (PEM) of the only certificate authorities to trust. `None` trusts those of the system.
    pub ca_pem: Option<Vec<u8>>,
}

/// Posts each message with its id as `Idempotency-Key`, which is the same at every attempt.
pub struct HttpGateway {
    config: GatewayConfig,
    client: Client,
}

impl HttpGateway {
    /// Opens no connection yet.
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
