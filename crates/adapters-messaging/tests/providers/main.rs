//! Tests against real providers: a mail server (aiosmtpd), and a double of an HTTP gateway.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod sms;
mod smtp;

use std::time::Duration;

use authentication_app::ports::{Channel, DeliveryError, Message, WrittenLetter};
use authentication_domain::accounts::Identifier;
use time::macros::datetime;
use uuid::Uuid;

/// Longer than anything that ends without a time-out.
const LONG: Duration = Duration::from_secs(20);
/// For what ends by its time-out.
const SHORT: Duration = Duration::from_secs(1);

fn message(to: &str) -> Message {
    let to = Identifier::parse(to).unwrap();
    Message {
        id: Uuid::from_u128(0x7),
        channel: Channel::of(&to),
        to,
        letter: WrittenLetter {
            subject: "Votre code été".to_owned(),
            text: "490317 est votre code.".to_owned(),
            html: Some("<p>490317</p>".to_owned()),
            language: "fr".to_owned(),
        },
        code: None,
        at: datetime!(2026-11-24 12:00 UTC),
    }
}

const fn not_taken(status: u16) -> Result<(), DeliveryError> {
    Err(DeliveryError::NotTaken {
        status: Some(status),
        retry_after: None,
    })
}

const fn away(status: u16) -> Result<(), DeliveryError> {
    Err(DeliveryError::Away {
        status: Some(status),
        retry_after: None,
    })
}

const fn refused(status: u16) -> Result<(), DeliveryError> {
    Err(DeliveryError::Refused {
        status: Some(status),
    })
}
