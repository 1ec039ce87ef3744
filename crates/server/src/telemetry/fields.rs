//! Fields of spans and events, for layers that write them.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

/// The fixed members of every log line. A field with such a name gets the prefix `field.`.
const RESERVED: [&str; 3] = ["timestamp", "level", "target"];

/// The fields of a span or an event, by name.
#[derive(Clone, Default)]
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    /// Removes a field and returns it as text.
    pub(super) fn take_text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    /// Keeps only the fields with these names.
    pub(super) fn retain(&mut self, names: &[&str]) {
        self.0.retain(|name, _| names.contains(&name.as_str()));
    }

    /// Adds the fields of an enclosing span, unless a field of that name exists.
    pub(super) fn add(&mut self, outer: &Self) {
        for (name, value) in &outer.0 {
            self.0.entry(name).or_insert_with(|| value.clone());
        }
    }

    fn insert(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let name = if RESERVED.contains(&name) {
            format!("field.{name}")
        } else {
            name.to_owned()
        };
        self.0.insert(name, value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }
}
