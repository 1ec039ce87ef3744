//! What happened, told to other systems: CloudEvents 1.0. Ids only, never a personal value.

mod catalog;
mod envelope;

pub use catalog::Event;
pub use envelope::{EventId, EventKind, QueuedEvent, Unwritable};
