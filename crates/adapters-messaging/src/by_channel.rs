//! One provider for mail and another for text messages; either may be missing.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::ports::{Channel, DeliveryError, Message, MessageSender};

/// Passes each message to the provider of its channel.
pub struct ByChannel {
    /// The provider for mail; `None` refuses mail.
    pub email: Option<Arc<dyn MessageSender>>,
    /// The provider for text messages; `None` refuses them.
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
        // Without a provider, sending fails at once, so there is nothing to limit.
        self.provider(channel)
            .map_or(usize::MAX, |provider| provider.at_once(channel))
    }
}
