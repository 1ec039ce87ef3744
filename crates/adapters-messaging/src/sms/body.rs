//! The body of a gateway request: JSON with placeholders that an operator arranged.

use std::fmt;

use serde_json::Value;

/// The placeholders: number, text, message id, and our number or sender name.
const PLACES: [&str; 4] = ["{to}", "{text}", "{id}", "{from}"];

/// A JSON document whose strings may hold `{to}`, `{text}`, `{id}` and `{from}`. They are replaced inside the strings
/// of the parsed document, so a message cannot break out of its place.
///
/// `Debug` does not show it: many gateways want their key in the body.
#[derive(Clone, PartialEq, Eq)]
pub struct BodyTemplate(Value);

impl fmt::Debug for BodyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyTemplate(…)")
    }
}

/// The values of the placeholders.
pub(super) struct Places<'a> {
    pub(super) to: &'a str,
    pub(super) text: &'a str,
    pub(super) id: &'a str,
    pub(super) from: &'a str,
}

impl BodyTemplate {
    /// Parses a template: a JSON object that has both `{to}` and `{text}` in its strings.
    ///
    /// # Errors
    /// What is wrong with it, in words that continue a sentence which starts with the setting's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text)
            .map_err(|error| format!("must be JSON: line {}", error.line()))?;
        if !document.is_object() {
            return Err("must be a JSON object".to_owned());
        }
        for needed in ["{to}", "{text}"] {
            if !mentions(&document, needed) {
                return Err(format!("must have {needed} in one of its texts"));
            }
        }
        Ok(Self(document))
    }

    /// Whether the template has a `{from}`.
    pub fn needs_from(&self) -> bool {
        mentions(&self.0, "{from}")
    }

    pub(super) fn fill(&self, places: &Places<'_>) -> Value {
        filled(&self.0, places)
    }
}

impl Default for BodyTemplate {
    /// `{"id": "{id}", "to": "{to}", "text": "{text}"}`
    fn default() -> Self {
        Self(serde_json::json!({"id": "{id}", "to": "{to}", "text": "{text}"}))
    }
}

fn mentions(value: &Value, place: &str) -> bool {
    match value {
        Value::String(text) => text.contains(place),
        Value::Array(items) => items.iter().any(|item| mentions(item, place)),
        Value::Object(fields) => fields.values().any(|field| mentions(field, place)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn filled(value: &Value, places: &Places<'_>) -> Value {
    match value {
        Value::String(text) => Value::String(put_in(text, places)),
        Value::Array(items) => items.iter().map(|item| filled(item, places)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, field)| (name.clone(), filled(field, places)))
                .collect()
        }
        other => other.clone(),
    }
}

/// Replaces in a single pass, so that placeholders in a replacement are not replaced.
fn put_in(text: &str, places: &Places<'_>) -> String {
    let mut done = String::with_capacity(text.len() + places.text.len());
    let mut rest = text;
    while let Some((at, place)) = next_place(rest) {
        let (before, from_place) = rest.split_at(at);
        done.push_str(before);
        done.push_str(match place {
            "{to}" => places.to,
            "{text}" => places.text,
            "{id}" => places.id,
            _ => places.from,
        });
        rest = from_place.strip_prefix(place).unwrap_or_default();
    }
    done.push_str(rest);
    done
}

fn next_place(text: &str) -> Option<(usize, &'static str)> {
    let found = PLACES
        .iter()
        .filter_map(|place| Some((text.find(place)?, *place)));
    found.min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLACES: Places<'_> = Places {
        to: "+2348012345678",
        text: "490317 is \"yours\", {to}",
        id: "7",
        from: "Shop",
    };

    #[test]
    fn everything_is_put_where_it_was_asked_for() {
        let text = r#"{"messages": [{"destinations": [{"to": "{to}"}], "from": "{from}", "text": "{text}!"}], "n": 1}"#;
        let filled = BodyTemplate::parse(text).unwrap().fill(&PLACES);
        let expected = json!({"messages": [{
            "destinations": [{"to": "+2348012345678"}],
            "from": "Shop",
            "text": "490317 is \"yours\", {to}!"
        }], "n": 1});
        assert_eq!(filled, expected);
    }

    #[test]
    fn a_body_without_a_place_for_the_message_is_refused() {
        for (text, reason) in [
            ("to={to}&text={text}", "must be JSON: line 1"),
            (r#"["{to}", "{text}"]"#, "must be a JSON object"),
            (r#"{"a": "{text}"}"#, "must have {to} in one of its texts"),
            (
                r#"{"{text}": "{to}"}"#,
                "must have {text} in one of its texts",
            ),
        ] {
            assert_eq!(BodyTemplate::parse(text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_default_has_the_number_the_text_and_the_id() {
        let template = BodyTemplate::default();
        assert!(!template.needs_from());
        let filled = template.fill(&PLACES);
        let expected = json!({"id": "7", "to": PLACES.to, "text": PLACES.text});
        assert_eq!(filled, expected);
    }
}
