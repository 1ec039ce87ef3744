//! Logs panics.

use std::panic::PanicHookInfo;

/// The message of such a line.
pub(super) const PANICKED: &str = "a task panicked";

/// Logs the location of a panic and not its text, which may contain user input.
pub(super) fn log_panic(panicked: &PanicHookInfo<'_>) {
    let place = panicked.location().map(ToString::to_string);
    tracing::error!(place, "{PANICKED}");
}
