//! Field-by-field differences for the audit log.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One field before and after a change. An absent value is `null`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The value before the change.
    pub before: Value,
    /// The value after the change.
    pub after: Value,
}

/// The changed fields. Contains personal values, so it is stored only encrypted under the person's key.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Diff(BTreeMap<String, Change>);

impl Diff {
    /// For actions that change no field, or whose fields are secrets (a password).
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// The differences between two states of the same object.
    pub fn between<T: Serialize>(before: &T, after: &T) -> Self {
        let fields = |it: &T| match serde_json::to_value(it) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let (before, after) = (fields(before), fields(after));
        let names = before.keys().chain(after.keys());
        let changes = names.filter_map(|name| {
            let (before, after) = (before.get(name), after.get(name));
            (before != after).then(|| {
                let value = |side: Option<&Value>| side.cloned().unwrap_or(Value::Null);
                let change = Change {
                    before: value(before),
                    after: value(after),
                };
                (name.clone(), change)
            })
        });
        Self(changes.collect())
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the changed fields. Unlike their values, they are not personal.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_diff_names_what_changed_and_shows_values_to_nobody_by_accident() {
        let before = json!({"name": "Ada", "country": "NG"});
        let after = json!({"name": "Ada", "country": "GH", "language": "en"});
        let diff = Diff::between(&before, &after);
        let expected = json!({
            "country": {"before": "NG", "after": "GH"},
            "language": {"before": null, "after": "en"},
        });
        assert_eq!(serde_json::to_value(&diff).unwrap(), expected);
        assert_eq!(format!("{diff:?}"), r#"{"country", "language"}"#);
        assert!(Diff::between(&before, &before).is_empty());
    }
}
