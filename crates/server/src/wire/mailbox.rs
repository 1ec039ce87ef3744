//! The development mailbox, as the route shows it.

use std::sync::Arc;

use adapters_messaging::{DevMailbox, MailboxFilter};
use api_http::ports::{MailboxMessage, MailboxQuery, MailboxView};

pub(super) struct Mailbox(pub(super) Arc<DevMailbox>);

impl MailboxView for Mailbox {
    fn messages(&self, wanted: &MailboxQuery<'_>) -> Vec<MailboxMessage> {
        let items = self.0.list(&MailboxFilter {
            to: wanted.to,
            contains: wanted.contains,
            limit: wanted.limit,
        });
        items
            .into_iter()
            .map(|item| MailboxMessage {
                to: item.to,
                channel: item.channel.as_str().to_owned(),
                subject: item.subject,
                text: item.text,
                html: item.html,
                code: item.code,
                sent_at: item.sent_at,
            })
            .collect()
    }
}
