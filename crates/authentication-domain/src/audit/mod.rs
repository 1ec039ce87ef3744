//! The audit log: who did what to whom, from where, and what changed.

mod action;
mod diff;

pub use action::{Action, Outcome};
pub use diff::{Change, Diff};
