//! Key rotation while the service runs.
//!
//! A key moves through stages ([`crate::ports::KeyState`]). [`StageRules`] defines what each step waits for, and
//! [`Rekeying`] updates the rows for a new master key or index key.

mod rekey;
mod rules;
mod subject;

pub use rekey::{Pass, PassOutcome, Rekeying};
pub use rules::{Blocker, Evidence, StageRules, Unknown};
