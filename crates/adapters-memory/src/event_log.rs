//! Writes events to the log, for a deployment without other receivers.

use async_trait::async_trait;
use authentication_app::ports::{EventSink, OutgoingEvent, SinkError};
use time::OffsetDateTime;

/// Logs one line for each event: its id, its type, and the account. Its data is left out: it consists of ids too, but a
/// log has more readers than a stream.
pub struct EventLog;

#[async_trait]
impl EventSink for EventLog {
    async fn deliver(&self, event: &OutgoingEvent, _now: OffsetDateTime) -> Result<(), SinkError> {
        tracing::info!(
            event_id = %event.id,
            event_type = event.type_name,
            account_id = %event.account,
            "event"
        );
        Ok(())
    }
}
