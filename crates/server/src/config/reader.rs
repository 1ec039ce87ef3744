//! Takes settings out of what was set, and notices what nobody asked for.

use figment::value::{Dict, Value};

use super::{
    kinds::Parsed,
    mistake::{Mistake, Place, Places},
    sources::Sources,
};

/// Reads one setting after the other. A mistake does not end it: the default holds in its place, so that
/// the rest is looked at too.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    root: Dict,
    known: Vec<&'static str>,
    places: Places,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            root: sources.root(),
            known: Vec::new(),
            places: Places::default(),
            mistakes: Vec::new(),
        }
    }

    /// The setting of this dotted name, if it was set and is as it should be.
    pub(super) fn setting<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        self.known.push(name);
        // No setting is a table; what stands in one is looked at in the end.
        let value = find(&self.root, name).filter(|value| value.as_dict().is_none())?;
        let place = self.sources.place_of(name, value);
        let parsed = parse(value);
        self.places.note(name, place.clone());
        match parsed {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(name.to_owned(), place, reason);
                None
            }
        }
    }

    /// What is left: settings that there are not. Ends the reading.
    pub(super) fn finish(mut self) -> (Places, Vec<Mistake>) {
        let root = std::mem::take(&mut self.root);
        self.refuse_unknown("", &root);
        (self.places, self.mistakes)
    }

    fn refuse_unknown(&mut self, above: &str, dict: &Dict) {
        for (key, value) in dict {
            let name = if above.is_empty() {
                key.clone()
            } else {
                format!("{above}.{key}")
            };
            let prefix = format!("{name}.");
            let is_section = self.known.iter().any(|known| known.starts_with(&prefix));
            match value {
                Value::Dict(_, inner) if is_section || !inner.is_empty() => {
                    self.refuse_unknown(&name, inner);
                }
                Value::Dict(..) => self.refuse_value(name, value, "there is no such setting"),
                _ if self.known.contains(&name.as_str()) => {}
                _ if is_section => self.refuse_value(name, value, "is a section, not a setting"),
                _ => self.refuse_value(name, value, "there is no such setting"),
            }
        }
    }

    fn refuse_value(&mut self, name: String, value: &Value, reason: &str) {
        let place = self.sources.place_of(&name, value);
        self.refuse(name, place, reason.to_owned());
    }

    fn refuse(&mut self, setting: String, place: Place, reason: String) {
        self.mistakes.push(Mistake {
            setting,
            place,
            reason,
        });
    }
}

fn find<'v>(root: &'v Dict, name: &str) -> Option<&'v Value> {
    match name.split_once('.') {
        Some((section, rest)) => find(root.get(section)?.as_dict()?, rest),
        None => root.get(name),
    }
}
