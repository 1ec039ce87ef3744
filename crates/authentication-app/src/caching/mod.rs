//! Caching by intent: the code that uses a cache declares its purpose, and everything else is provided here.
//!
//! ```text
//!   Intent     purpose, TTL and capacity of a cache                      declared beside the code that uses it
//!   Flights    single flight: concurrent callers share one load
//!   Cached     both, in the memory of this process                       for anything that is loaded by a key
//!   Ledger     counters of each intent                                   read by the metrics
//! ```
//!
//! The session cache has additional rules ([`crate::ports::SessionCache`]: tombstones, other nodes), and uses the
//! intents, flights and counters from here. `docs/caching.md` lists every intent, and a test compares that list
//! with the declared ones.
//!
//! Deliberately absent: a cache across people (each key names the person that its value belongs to), cached errors,
//! and a cache without a bound in number and time.

mod cached;
mod flights;
mod intent;
mod ledger;

pub use cached::Cached;
pub use flights::{Boarding, Flight, Flights, Landing, LoadLost};
pub use intent::{Intent, Life};
pub use ledger::{Counters, Figures, Ledger};
