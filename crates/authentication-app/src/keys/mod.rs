//! Changing keys while the service runs.
//!
//! A key moves through stages ([`crate::ports::KeyState`]); [`StageRules`] says what each step waits for, and
//! [`Rekeying`] does what a new master key or index key asks of the rows.

mod rekey;
mod rules;
mod subject;

pub use rekey::{Pass, PassOutcome, Rekeying};
pub use rules::{Blocker, Evidence, StageRules, Unknown};
