//! The envelope of outgoing events: CloudEvents 1.0, structured mode, JSON.

use common::Id;
use serde::Serialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::accounts::AccountId;

/// Type marker for event ids.
#[derive(Debug)]
pub enum EventKind {}
/// The CloudEvents `id`: the same for every delivery of one event.
pub type EventId = Id<EventKind>;

/// An event in the outbox. An older release may have written it, so its data is passed on without being
/// interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent {
    /// The same for every delivery.
    pub id: EventId,
    /// Increases with every event of an account, with gaps.
    pub sequence: i64,
    /// When it happened.
    pub at: OffsetDateTime,
    /// CloudEvents `type`.
    pub type_name: String,
    /// CloudEvents `subject`.
    pub account: AccountId,
    /// CloudEvents `data`, as JSON.
    pub data: String,
    /// The id of the request that caused it.
    pub request_id: String,
}

/// The stored event cannot be written in the CloudEvents format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored event cannot be written as a CloudEvent")]
pub struct Unwritable;

/// The attributes, ordered for human readers. Extension names are lower case without separators, as
/// CloudEvents 1.0 §3.1 requires.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: EventId,
    source: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
    subject: AccountId,
    time: String,
    datacontenttype: &'static str,
    requestid: &'a str,
    /// The `sequence` extension is compared as text, so all values have the same length.
    sequence: String,
    data: Value,
}

impl QueuedEvent {
    /// The media type of [`Self::to_cloud_event`].
    pub const MEDIA_TYPE: &'static str = "application/cloudevents+json";

    /// The event in its outgoing form. Every call gives the same text.
    ///
    /// # Errors
    /// [`Unwritable`] when its data is not JSON or its time cannot be formatted.
    pub fn to_cloud_event(&self, source: &str) -> Result<String, Unwritable> {
        let event = CloudEvent {
            specversion: "1.0",
            id: self.id,
            source,
            type_name: &self.type_name,
            subject: self.account,
            time: self.at.format(&Rfc3339).map_err(|_| Unwritable)?,
            datacontenttype: "application/json",
            requestid: &self.request_id,
            sequence: format!("{:020}", self.sequence),
            data: serde_json::from_str(&self.data).map_err(|_| Unwritable)?,
        };
        serde_json::to_string(&event).map_err(|_| Unwritable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;
    use uuid::uuid;

    fn queued() -> QueuedEvent {
        let account = uuid!("01936f4e-0000-7000-8000-000000000001");
        QueuedEvent {
            id: Id::from_uuid(uuid!("01936f4e-0000-7000-8000-0000000000ff")),
            sequence: 42,
            at: datetime!(2026-11-24 12:00:00.000001 UTC),
            type_name: "com.fashionistar.auth.account.registered.v1".to_owned(),
            account: Id::from_uuid(account),
            data: format!(r#"{{"roles":["client"],"account_id":"{account}"}}"#),
            request_id: "req-1".to_owned(),
        }
    }

    #[test]
    fn an_event_leaves_as_a_cloud_event() {
        let text = queued().to_cloud_event("urn:fashionistar:auth").unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"specversion":"1.0","id":"01936f4e-0000-7000-8000-0000000000ff","#,
                r#""source":"urn:fashionistar:auth","#,
                r#""type":"com.fashionistar.auth.account.registered.v1","#,
                r#""subject":"01936f4e-0000-7000-8000-000000000001","#,
                r#""time":"2026-11-24T12:00:00.000001Z","datacontenttype":"application/json","#,
                r#""requestid":"req-1","sequence":"00000000000000000042","#,
                r#""data":{"account_id":"01936f4e-0000-7000-8000-000000000001","roles":["client"]}}"#,
            )
        );
    }

    #[test]
    fn what_is_no_json_is_unwritable() {
        let poison = QueuedEvent {
            data: "{".to_owned(),
            ..queued()
        };
        assert_eq!(poison.to_cloud_event("urn:x"), Err(Unwritable));
    }
}
