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

impl ByChannel {
    fn provider(&self, channel: Channel) -> Option<&dyn MessageSender> {
        match channel {
            Channel::Email => self.email.as_deref(),
            Channel::Sms => self.sms.as_deref(),
        }
    }
}

#[async_trait]
impl MessageSender for ByChannel {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        match self.provider(message.channel) {
            Some(provider) => provider.send(message).await,
            None => Err(DeliveryError::NoProvider),
        }
    }

    fn at_once(&self, channel: Channel) -> usize {
        // Without a provider there is nothing to wait for.
        self.provider(channel)
            .map_or(usize::MAX, |provider| provider.at_once(channel))
    }
}
