//! Events into the log, where nobody else is to be told.

use async_trait::async_trait;
use authentication_app::ports::{EventSink, OutgoingEvent, SinkError};
use time::OffsetDateTime;

/// One line for each event: which, what, whose. Not its data: that is ids too, but a log is read by more
/// people than a stream.
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
