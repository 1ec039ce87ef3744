//! The ports inside one process: session cache, counters, revocations, and events into the log.
//!
//! The embedded mode uses nothing else. Next to Redis, the session cache is the near cache of each node, and the
//! throttle is the fallback of a node while Redis is unreachable. Nothing here outlives the process or knows of another
//! node.

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
