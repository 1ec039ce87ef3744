//! The texts of the statements that a store runs, as it tells them at trace level.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// Collects them on one thread: for tests on a runtime of one thread.
#[derive(Clone, Default)]
pub(crate) struct Statements(Arc<Mutex<BTreeSet<String>>>);

impl Statements {
    #[must_use = "dropping the guard ends the collection"]
    pub(crate) fn on_this_thread() -> (Self, DefaultGuard) {
        let statements = Self::default();
        let guard = tracing_subscriber::registry()
            .with(statements.clone())
            .set_default();
        (statements, guard)
    }

    /// Each text once.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().cloned().collect()
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut QueryText(self));
    }
}

struct QueryText<'a>(&'a Statements);

impl Visit for QueryText<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "db.query.text" {
            self.0.0.lock().unwrap().insert(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
