//! Ways to get a message to a person, behind the `MessageSender` port, and its words, behind `LetterWriter`.
//!
//! [`Templates`] has the words, in the languages that are built in and those that an operator adds.
//! [`SmtpSender`] sends mail, [`HttpGateway`] and [`Twilio`] send text messages, and [`ByChannel`] is one sender
//! for each channel. [`DevMailbox`] keeps messages for developers to read.
//!
//! Who gets a message was decided before; nothing here looks an account up, or logs anything of a message.

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
