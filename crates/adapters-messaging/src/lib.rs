//! Ways to get a message to a person, behind the `MessageSender` port.
//!
//! For now there is one, the [`DevMailbox`], which keeps messages for developers to read. What a message
//! says and who gets it was decided before; nothing here writes a text, looks an account up, or logs
//! more than a message's id and channel.

mod dev_mailbox;

pub use dev_mailbox::{DevMailbox, MailboxItem};
