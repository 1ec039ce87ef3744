//! One provider for mail, another for text messages, or none.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::ports::{Channel, DeliveryError, Message, MessageSender};

/// Hands each message to the provider of its channel.
pub struct ByChannel {
    /// For mail.
    pub email: Option<Arc<dyn MessageSender>>,
    /// For text messages.
    pub sms: Option<Arc<dyn MessageSender>>,
}

#[async_trait]
impl MessageSender for ByChannel {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let provider = match message.channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
        };
        match provider {
            Some(provider) => provider.send(message).await,
            None => Err(DeliveryError::NoProvider),
        }
    }
}
