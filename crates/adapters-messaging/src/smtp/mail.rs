//! A message in mail format.

use authentication_app::ports::{DeliveryError, Message};
use lettre::{
    Address,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

/// The sender of all mail.
pub(super) struct Sender {
    pub(super) address: Address,
    pub(super) name: String,
}

impl Sender {
    /// Builds the mail. Its `Message-ID` comes from the message's id, so that servers and mail programs can recognise a
    /// repeated delivery.
    ///
    /// lettre encodes every header from a typed value, and the recipient's address is parsed twice. So no value can
    /// start another header (header injection).
    pub(super) fn mail(&self, message: &Message) -> Result<lettre::Message, DeliveryError> {
        let refused = DeliveryError::Refused { status: None };
        let to: Address = message.to.to_text().parse().map_err(|_| refused)?;
        let letter = &message.letter;
        let id = format!("<{}@{}>", message.id, self.address.domain());
        let builder = lettre::Message::builder()
            .from(Mailbox::new(Some(self.name.clone()), self.address.clone()))
            .to(Mailbox::new(None, to))
            .subject(one_line(&letter.subject))
            .message_id(Some(id))
            .date(message.at.into())
            // RFC 3834: no automatic replies, such as holiday notices.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("Content-Language", &letter.language));
        let mail = match &letter.html {
            Some(html) => builder.multipart(MultiPart::alternative_plain_html(
                letter.text.clone(),
                html.clone(),
            )),
            None => builder.singlepart(SinglePart::plain(letter.text.clone())),
        };
        mail.map_err(|_| refused)
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// A subject has no control characters; should it have one, a space replaces it.
fn one_line(text: &str) -> String {
    text.split(char::is_control)
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use authentication_app::ports::{Channel, WrittenLetter};
    use authentication_domain::accounts::Identifier;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn message(to: &str, subject: &str) -> Message {
        Message {
            id: Uuid::from_u128(7),
            to: Identifier::parse(to).unwrap(),
            channel: Channel::Email,
            letter: WrittenLetter {
                subject: subject.to_owned(),
                text: "Réponse: 490317\n.\nBcc: eve@example.com".to_owned(),
                html: Some("<p>490317</p>".to_owned()),
                language: "fr".to_owned(),
            },
            code: None,
            at: datetime!(2026-11-24 12:00 UTC),
        }
    }

    fn formatted(message: &Message) -> String {
        let sender = Sender {
            address: "no-reply@shop.example".parse().unwrap(),
            name: "Fashionistar, \"the\" shop".to_owned(),
        };
        String::from_utf8(sender.mail(message).unwrap().formatted()).unwrap()
    }

    fn headers(text: &str) -> Vec<&str> {
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        head.split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .collect()
    }

    #[test]
    fn a_mail_says_that_a_machine_sent_it_and_keeps_its_id() {
        let one = formatted(&message("ada@example.com", "Votre code"));
        let lines = headers(&one);
        assert!(lines.contains(&"Message-ID: <00000000-0000-0000-0000-000000000007@shop.example>"));
        assert!(lines.contains(&"Auto-Submitted: auto-generated"));
        assert!(lines.contains(&"Content-Language: fr"));
        assert!(lines.contains(&"To: ada@example.com"));
        assert!(
            lines.contains(&"Date: Tue, 24 Nov 2026 12:00:00 +0000"),
            "{lines:?}"
        );
        assert!(one.contains("Content-Type: multipart/alternative"));
        assert!(one.contains("text/plain") && one.contains("text/html"));
    }

    #[test]
    fn nothing_can_begin_another_header() {
        for subject in [
            "code\r\nBcc: eve@example.com",
            "code\nBcc: eve@example.com\n\nbody",
            "code\r\n\r\nbody",
            "été\r\nBcc: eve@example.com",
        ] {
            let text = formatted(&message("ada@example.com", subject));
            let names: Vec<&str> = headers(&text)
                .into_iter()
                .filter_map(|line| line.split_once(':').map(|(name, _)| name))
                .collect();
            assert!(!names.contains(&"Bcc"), "{subject:?}: {text}");
            assert_eq!(names.iter().filter(|name| **name == "Subject").count(), 1);
        }
    }

    #[test]
    fn every_address_that_registers_can_be_written_to() {
        for to in [
            "ada+shop@example.com",
            "o'brien@example.com",
            "a@xn--bcher-kva.example",
        ] {
            assert!(formatted(&message(to, "code")).contains(to), "{to}");
        }
    }
}
