//! Delivery of messages to people (the `MessageSender` port), and their texts (the `LetterWriter` port).
//!
//! [`Templates`] writes the texts, in the built-in languages and those that an operator adds. [`SmtpSender`] sends
//! mail, [`HttpGateway`] and [`Twilio`] send text messages, and [`ByChannel`] combines one sender for each channel.
//! [`DevMailbox`] keeps messages for developers to read.
//!
//! The recipient was decided before: this crate looks up no account, and logs no content of a message.

mod by_channel;
mod dev_mailbox;
mod sms;
mod smtp;
mod templates;
mod unreached;

pub use by_channel::ByChannel;
pub use dev_mailbox::{DevMailbox, MailboxFilter, MailboxItem};
pub use sms::{
    BodyTemplate, GatewayConfig, GatewayUrl, HttpGateway, InvalidGateway, Twilio, TwilioConfig,
};
pub use smtp::{InvalidSmtp, SmtpConfig, SmtpSecurity, SmtpSender};
pub use templates::{TemplateConfig, TemplateMistake, Templates};
