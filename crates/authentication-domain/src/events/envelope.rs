//! The identity of an event.

use common::Id;

/// Marks ids of events.
#[derive(Debug)]
pub enum EventKind {}
/// The CloudEvents `id`: the same for every delivery of one event.
pub type EventId = Id<EventKind>;
