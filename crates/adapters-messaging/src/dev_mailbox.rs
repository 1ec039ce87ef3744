//! A mailbox that delivers nothing, for development and tests.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use authentication_app::ports::{Channel, DeliveryError, Message, MessageSender};
use time::OffsetDateTime;

/// Keeps the newest messages of this process in memory. It must never be part of a production set-up: everyone who can
/// read it can sign in to any account.
#[derive(Default)]
pub struct DevMailbox {
    /// Newest first.
    items: Mutex<VecDeque<MailboxItem>>,
}

/// A message as its recipient would have received it.
#[derive(Clone, PartialEq, Eq)]
pub struct MailboxItem {
    /// The recipient's address or number.
    pub to: String,
    /// Mail or text message.
    pub channel: Channel,
    /// Empty for text messages.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The HTML of a mail; `None` for text messages, and for mails older than the [`DevMailbox::HTML_KEPT`] newest
    /// messages.
    pub html: Option<String>,
    /// The code in the message, if there is one.
    pub code: Option<String>,
    /// When it was sent.
    pub sent_at: OffsetDateTime,
}

/// Which messages to list. `None` means no restriction.
#[derive(Debug, Clone, Copy, Default)]
pub struct MailboxFilter<'a> {
    /// The recipient's address or number, ignoring case; a number also without its `+`.
    pub to: Option<&'a str>,
    /// Text in the recipient, the subject, the text or the code, ignoring case.
    pub contains: Option<&'a str>,
    /// The most messages to list.
    pub limit: Option<usize>,
}

impl DevMailbox {
    /// How many messages are kept; the oldest are dropped first.
    pub const CAPACITY: usize = 10_000;
    /// How many of the newest messages keep their HTML, which is ten times as long as the text.
    pub const HTML_KEPT: usize = 200;

    /// An empty mailbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// The messages, newest first.
    pub fn list(&self, filter: &MailboxFilter<'_>) -> Vec<MailboxItem> {
        let contained = filter.contains.map(|text| text.trim().to_lowercase());
        let is_wanted = |item: &&MailboxItem| {
            filter.to.is_none_or(|to| is_same_recipient(&item.to, to))
                && contained.as_ref().is_none_or(|text| item.contains(text))
        };
        let items = self.lock();
        let wanted = items.iter().filter(is_wanted);
        wanted
            .take(filter.limit.unwrap_or(Self::CAPACITY))
            .cloned()
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<MailboxItem>> {
        // A poisoned lock is no problem: nothing panics while the list is half changed.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MessageSender for DevMailbox {
    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let item = MailboxItem {
            to: message.to.to_text(),
            channel: message.channel,
            subject: message.letter.subject.clone(),
            text: message.letter.text.clone(),
            html: message.letter.html.clone(),
            code: message.code.clone(),
            sent_at: message.at,
        };
        let mut items = self.lock();
        items.push_front(item);
        items.truncate(Self::CAPACITY);
        if let Some(older) = items.get_mut(Self::HTML_KEPT) {
            older.html = None;
        }
        drop(items);
        tracing::info!(
            message_id = %message.id,
            channel = message.channel.as_str(),
            "a message is in the development mailbox"
        );
        Ok(())
    }
}

impl MailboxItem {
    /// `text` must be in lower case.
    fn contains(&self, text: &str) -> bool {
        [&self.to, &self.subject, &self.text]
            .into_iter()
            .chain(&self.code)
            .any(|part| part.to_lowercase().contains(text))
    }
}

/// Compares recipients. In a query string an unescaped `+` means a space, and clients often forget to escape it.
fn is_same_recipient(kept: &str, asked: &str) -> bool {
    let digits = asked.trim().trim_start_matches('+');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        kept.strip_prefix('+') == Some(digits)
    } else {
        kept.to_lowercase() == asked.trim().to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use authentication_app::ports::WrittenLetter;
    use authentication_domain::accounts::Identifier;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn message(to: &str, text: &str) -> Message {
        let to = Identifier::parse(to).unwrap();
        Message {
            id: Uuid::from_u128(1),
            channel: Channel::of(&to),
            to,
            letter: WrittenLetter {
                subject: "Your code".to_owned(),
                text: text.to_owned(),
                html: None,
                language: "en".to_owned(),
            },
            code: Some("123456".to_owned()),
            at: datetime!(2026-11-22 12:00 UTC),
        }
    }

    fn texts(mailbox: &DevMailbox, to: Option<&str>) -> Vec<String> {
        mailbox
            .list(&MailboxFilter {
                to,
                ..MailboxFilter::default()
            })
            .into_iter()
            .map(|item| item.text)
            .collect()
    }

    #[tokio::test]
    async fn a_message_is_there_as_it_was_sent() {
        let mailbox = DevMailbox::new();
        mailbox
            .send(&message("Ada@example.com", "123456 it is"))
            .await
            .unwrap();
        let items = mailbox.list(&MailboxFilter::default());
        let expected = MailboxItem {
            to: "Ada@example.com".to_owned(),
            channel: Channel::Email,
            subject: "Your code".to_owned(),
            text: "123456 it is".to_owned(),
            html: None,
            code: Some("123456".to_owned()),
            sent_at: datetime!(2026-11-22 12:00 UTC),
        };
        assert!(items == [expected]);
    }

    #[tokio::test]
    async fn the_newest_message_comes_first_and_only_to_whom_was_asked_for() {
        let mailbox = DevMailbox::new();
        for (to, text) in [
            ("ada@example.com", "one"),
            ("bob@example.com", "two"),
            ("ada@example.com", "three"),
            ("+2348012345678", "four"),
        ] {
            mailbox.send(&message(to, text)).await.unwrap();
        }
        assert_eq!(texts(&mailbox, None), ["four", "three", "two", "one"]);
        assert_eq!(texts(&mailbox, Some("ADA@example.COM")), ["three", "one"]);
        for number in ["+2348012345678", " 2348012345678", "2348012345678"] {
            assert_eq!(texts(&mailbox, Some(number)), ["four"], "{number:?}");
        }
        for nobody in ["ada", "example.com", "", "+", "8012345678"] {
            assert!(texts(&mailbox, Some(nobody)).is_empty(), "{nobody:?}");
        }
    }

    #[tokio::test]
    async fn a_search_looks_at_all_that_is_shown_and_stops_at_the_limit() {
        let mailbox = DevMailbox::new();
        for (to, text) in [
            ("ada@example.com", "Welcome to the shop"),
            ("bob@example.com", "welcome back"),
        ] {
            mailbox.send(&message(to, text)).await.unwrap();
        }
        let found = |contains, limit| {
            let filter = MailboxFilter {
                contains: Some(contains),
                limit,
                to: None,
            };
            mailbox.list(&filter).len()
        };
        for (contains, expected) in [
            ("WELCOME", 2),
            ("bob@", 1),
            ("your CODE", 2),
            (" 123456 ", 2),
            ("", 2),
            ("nothing of it", 0),
        ] {
            assert_eq!(found(contains, None), expected, "{contains:?}");
        }
        assert_eq!(found("welcome", Some(1)), 1);
    }

    #[tokio::test]
    async fn the_newest_mails_alone_keep_their_html() {
        let mailbox = DevMailbox::new();
        for _ in 0..=DevMailbox::HTML_KEPT {
            let mut mail = message("ada@example.com", "text");
            mail.letter.html = Some("<p>text</p>".to_owned());
            mailbox.send(&mail).await.unwrap();
        }
        let mails = mailbox.list(&MailboxFilter::default());
        assert_eq!(mails.len(), DevMailbox::HTML_KEPT + 1);
        let (newest, oldest) = mails.split_at(DevMailbox::HTML_KEPT);
        assert!(newest.iter().all(|mail| mail.html.is_some()));
        assert!(oldest.iter().all(|mail| mail.html.is_none()));
    }

    #[tokio::test]
    async fn the_oldest_messages_make_room() {
        let mailbox = DevMailbox::new();
        for number in 0..=DevMailbox::CAPACITY {
            mailbox
                .send(&message("ada@example.com", &number.to_string()))
                .await
                .unwrap();
        }
        let texts = texts(&mailbox, None);
        assert_eq!(texts.len(), DevMailbox::CAPACITY);
        assert_eq!(texts.first().map(String::as_str), Some("10000"));
        assert_eq!(texts.last().map(String::as_str), Some("1"));
    }
}
