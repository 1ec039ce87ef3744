//! Answers that last.

/// Every answer that may take longer than `http.answer_deadline_seconds`, by name. A handler puts its name among
/// the extensions of its answer.
///
/// There is none. Whoever adds one says in `docs/degraded-modes.md` what ends it, and sends something often
/// enough that a client that has gone is noticed: one that takes nothing is cut off like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongLived {}
