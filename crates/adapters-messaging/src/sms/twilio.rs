//! Twilio's Messages resource, and compatible services.

use std::time::Duration;

use async_trait::async_trait;
use authentication_app::ports::{DeliveryError, Message, MessageSender};
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    GatewayUrl, InvalidGateway,
    client::{client, send},
};

/// A Twilio account.
#[derive(Debug, Clone)]
pub struct TwilioConfig {
    /// `https://api.twilio.com`, or the base URL of a compatible service.
    pub base: GatewayUrl,
    /// The account's SID (`AC…`).
    pub account_sid: String,
    /// The account's auth token.
    pub auth_token: SecretString,
    /// Our number or sender name, or the messaging service (`MG…`) that chooses one.
    pub from: String,
    /// The time limit for a request, connecting included.
    pub timeout: Duration,
    /// Certificates (PEM) of the only certificate authorities to trust. `None` trusts those of the system.
    pub ca_pem: Option<Vec<u8>>,
}

/// Sends each message with one request. Twilio has no idempotency key, so a repetition is another message.
pub struct Twilio {
    config: TwilioConfig,
    url: Url,
    client: Client,
}

impl Twilio {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// [`InvalidGateway`].
    pub fn new(config: TwilioConfig) -> Result<Self, InvalidGateway> {
        let mut url = config.base.0.clone();
        url.path_segments_mut()
            .map_err(|()| InvalidGateway::Url)?
            .pop_if_empty()
            .extend([
                "2010-04-01",
                "Accounts",
                &config.account_sid,
                "Messages.json",
            ]);
        let client = client(&config.base, config.timeout, config.ca_pem.as_deref())?;
        Ok(Self {
            config,
            url,
            client,
        })
    }
}

#[async_trait]
impl MessageSender for Twilio {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let from = if self.config.from.starts_with("MG") {
            "MessagingServiceSid"
        } else {
            "From"
        };
        let form = [
            ("To", message.to.to_text()),
            (from, self.config.from.clone()),
            ("Body", message.letter.text.clone()),
        ];
        let token = self.config.auth_token.expose_secret();
        let request = self
            .client
            .post(self.url.clone())
            .basic_auth(&self.config.account_sid, Some(token))
            .form(&form);
        send(request, message.at).await
    }
}
