//! Ports inside one process: session cache, counters, revocations, and events into the log.
//!
//! The embedded mode runs on them alone; beside Redis the session cache is the near cache of each node and
//! the throttle is what a node counts on while Redis is away. Nothing here outlives the process, and
//! nothing here knows of another node.

mod event_log;
mod revocations;
mod session_cache;
mod throttle;
mod tombstones;
mod window;

pub use event_log::EventLog;
pub use revocations::LocalRevocations;
pub use session_cache::MemorySessionCache;
pub use throttle::MemoryThrottle;
