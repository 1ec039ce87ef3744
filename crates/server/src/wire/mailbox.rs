//! The development mailbox, as the route shows it.

use std::sync::Arc;

use adapters_messaging::DevMailbox;
use api_http::ports::{MailboxMessage, MailboxView};

pub(super) struct Mailbox(pub(super) Arc<DevMailbox>);

impl MailboxView for Mailbox {
    fn messages(&self, to: Option<&str>) -> Vec<MailboxMessage> {
        let items = self.0.list(to).into_iter();
        items
            .map(|item| MailboxMessage {
                to: item.to,
                channel: item.channel.as_str().to_owned(),
                subject: item.subject,
                text: item.text,
                code: item.code,
                sent_at: item.sent_at,
            })
            .collect()
    }
}
