//! Panics, in the log.

use std::panic::PanicHookInfo;

/// What such a line says.
pub(super) const PANICKED: &str = "a task panicked";

/// Where, not what: the text of a panic may repeat what somebody typed.
pub(super) fn log_panic(panicked: &PanicHookInfo<'_>) {
    let place = panicked.location().map(ToString::to_string);
    tracing::error!(place, "{PANICKED}");
}
