//! Domain events for other systems: CloudEvents 1.0. They carry ids only, never personal values.

mod catalog;
mod envelope;

pub use catalog::Event;
pub use envelope::{EventId, EventKind, QueuedEvent, Unwritable};
