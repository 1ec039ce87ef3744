//! Captures everything that is logged during a test, to check that it contains no secrets.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::{
    fmt::{MakeWriter, format::FmtSpan},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Prints the warnings of this process with the output of its tests, unless its logs already go elsewhere.
/// Any test may call it; only the first call has an effect.
pub fn show_warnings() {
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_test_writer();
    // An error means that the logs are already captured.
    let _ = tracing_subscriber::registry()
        .with(LevelFilter::WARN)
        .with(lines)
        .try_init();
}

/// Collects log lines at every level, with the fields of their spans, and the opening and closing of spans
/// (so that a field recorded late, in a span without any event, is captured too).
#[derive(Debug, Clone, Default)]
pub struct LogCapture {
    written: Arc<Mutex<Vec<u8>>>,
}

impl LogCapture {
    /// Captures what this thread logs until the guard is dropped, for code that stays on its thread.
    #[must_use = "dropping the guard ends the capture"]
    pub fn on_this_thread() -> (Self, DefaultGuard) {
        let capture = Self::default();
        let guard = capture.subscriber().set_default();
        (capture, guard)
    }

    /// Captures what the whole process logs, including records of the `log` crate. Only one test of a process can do
    /// this: it needs a test binary of its own, unless every test runs in its own process.
    ///
    /// # Panics
    /// When the process already logs elsewhere.
    #[must_use]
    pub fn of_this_process() -> Self {
        let capture = Self::default();
        capture
            .subscriber()
            .try_init()
            .expect("nobody else captures the logs of this process");
        capture
    }

    /// Everything captured so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_writer(self.clone());
        tracing_subscriber::registry()
            .with(LevelFilter::TRACE)
            .with(lines)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // A panic in another thread leaves the bytes intact.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for LogCapture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogCapture {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_logged_escapes() {
        let (capture, guard) = LogCapture::on_this_thread();
        tracing::trace!(field = "of-an-event", "the-message");
        let span = tracing::trace_span!("work", early = "of-a-span", late = tracing::field::Empty);
        span.record("late", "recorded-later");
        drop(span);
        drop(guard);
        tracing::error!("after-the-end");
        let text = capture.text();
        for expected in ["of-an-event", "the-message", "of-a-span", "recorded-later"] {
            assert!(text.contains(expected), "{expected} is missing in:\n{text}");
        }
        assert!(!text.contains("after-the-end"), "{text}");
    }
}
