//! Caching by intent: whoever caches something declares what for, and gets the rest from here.
//!
//! ```text
//!   Intent     why something is cached, for how long, how much of it    declared beside its user
//!   Flights    many ask, one loads                                      single flight
//!   Cached     both, over the memory of this process                    for anything that is loaded by a key
//!   Ledger     how each intent does                                     read by whoever watches
//! ```
//!
//! The cache of sessions has rules of its own ([`crate::ports::SessionCache`]: tombstones, other nodes) and
//! takes its intents, flights and counters from here. `docs/caching.md` lists every intent, and a test
//! compares that list with what is declared.
//!
//! Deliberately absent: a cache across people (a key names whose the value is), cached errors, and a cache
//! without a bound in number and time.

mod cached;
mod flights;
mod intent;
mod ledger;

pub use cached::Cached;
pub use flights::{Boarding, Flight, Flights, Landing, LoadLost};
pub use intent::{Intent, Life};
pub use ledger::{Counters, Figures, Ledger};
