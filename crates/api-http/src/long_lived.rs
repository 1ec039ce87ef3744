//! Long-lived answers.

/// The answers that may take longer than `http.answer_deadline_seconds`, by name. A handler adds its name to the
/// extensions of its answer.
///
/// There are none yet. A new one must document in `docs/degraded-modes.md` what ends it, and send data often enough
/// to detect that its client has gone: a client that reads nothing is disconnected as with any other answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongLived {}
