//! Reads settings from their sources, and detects unknown ones.

use std::path::Path;

use figment::value::{Dict, Value};

use super::{
    in_effect::{InEffect, is_secret},
    kinds::Parsed,
    mistake::{Mistake, Place, Places},
    secret_files,
    sources::Sources,
    suggestion,
};

/// Reads one setting after the other. After a mistake it continues with the default, so that the remaining settings
/// are checked too.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    root: Dict,
    is_production: bool,
    known: Vec<String>,
    places: Places,
    in_effect: Vec<InEffect>,
    mistakes: Vec<Mistake>,
}

/// The result of reading a secret's file.
enum FromFile {
    /// No file is set.
    NotNamed,
    /// The secret and its source.
    Read(Value, Place),
    /// The file cannot be used, and the mistake is recorded.
    Refused,
}

/// The results of a reader.
pub(super) struct Finished {
    pub(super) places: Places,
    pub(super) in_effect: Vec<InEffect>,
    pub(super) mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        let root = sources.root();
        let mode = root.get("mode").and_then(Value::as_str);
        Self {
            is_production: mode.is_some_and(|mode| mode.trim() == "production"),
            sources,
            root,
            known: Vec::new(),
            places: Places::default(),
            in_effect: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// The setting of this dotted name, if it is set and valid. A secret (decided by its type) may be in a separate
    /// file, which the setting `<name>_file` names.
    pub(super) fn setting<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        self.known.push(name.to_owned());
        let given = self.find(name);
        let from_file = if is_secret::<T>() {
            self.read_file_of::<T>(name, given.is_some())
        } else {
            FromFile::NotNamed
        };
        let found = match from_file {
            FromFile::NotNamed => given,
            FromFile::Read(value, place) => Some((value, place)),
            FromFile::Refused => None,
        };
        let Some((value, place)) = found else {
            self.in_effect.push(InEffect::default(name));
            return None;
        };
        self.in_effect
            .push(InEffect::set::<T>(name, &value, &place));
        self.places.note(name, place.clone());
        match parse(&value) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.refuse(name.to_owned(), place, reason);
                None
            }
        }
    }

    /// Records the value of an unset setting, for defaults that depend on the machine or on other settings. To be
    /// called right after it was read.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and made-up texts, which nobody needs any more"
    )]
    pub(super) fn default_is(&mut self, name: &str, value: impl ToString) {
        let of_name = |it: &&mut InEffect| it.setting == name && it.source == "default";
        if let Some(entry) = self.in_effect.iter_mut().find(of_name) {
            entry.value = value.to_string();
        }
    }

    fn read_file_of<T>(&mut self, name: &str, is_given: bool) -> FromFile {
        let name_of_file = format!("{name}{}", secret_files::SUFFIX);
        self.known.push(name_of_file.clone());
        let Some((value, place)) = self.find(&name_of_file) else {
            return FromFile::NotNamed;
        };
        self.places.note(&name_of_file, place.clone());
        // Even with an invalid file the setting counts as set.
        self.places.note(name, place.clone());
        let read = match value.as_str().map(str::trim) {
            _ if is_given => Err(format!("must not be set together with {name}")),
            Some(path) if !path.is_empty() => {
                secret_files::read(Path::new(path), self.is_production)
            }
            _ => Err("must be the path of a file (in quotes)".to_owned()),
        };
        match read {
            Ok(secret) => {
                let is_list = std::any::type_name::<T>().contains("Vec<");
                let value = if is_list {
                    Value::from(secret.replace(['\n', '\r'], ","))
                } else {
                    Value::from(secret.as_str())
                };
                let path = value_path(&self.root, &name_of_file);
                FromFile::Read(value, Place::SecretFile(path, Box::new(place)))
            }
            Err(reason) => {
                self.refuse(name_of_file, place, reason);
                FromFile::Refused
            }
        }
    }

    fn find(&self, name: &str) -> Option<(Value, Place)> {
        // No setting is a table; the content of a table is checked at the end.
        let value = find(&self.root, name).filter(|value| value.as_dict().is_none())?;
        Some((value.clone(), self.sources.place_of(name, value)))
    }

    /// The names of non-empty sections in this section: the author of the configuration chooses them.
    pub(super) fn sections(&self, name: &str) -> Vec<String> {
        let sections = find(&self.root, name).and_then(Value::as_dict);
        let holds_something =
            |value: &Value| value.as_dict().is_some_and(|inner| !inner.is_empty());
        sections
            .into_iter()
            .flatten()
            .filter(|(_, value)| holds_something(value))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Reports the remaining settings as unknown, and ends the reading.
    pub(super) fn finish(mut self) -> Finished {
        let root = std::mem::take(&mut self.root);
        self.refuse_unknown("", &root);
        Finished {
            places: self.places,
            in_effect: self.in_effect,
            mistakes: self.mistakes,
        }
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
                Value::Dict(..) => self.refuse_unknown_name(name, value),
                _ if self.known.contains(&name) => {}
                _ if is_section => {
                    let place = self.sources.place_of(&name, value);
                    self.refuse(name, place, "is a section, not a setting".to_owned());
                }
                _ => self.refuse_unknown_name(name, value),
            }
        }
    }

    fn refuse_unknown_name(&mut self, name: String, value: &Value) {
        let place = self.sources.place_of(&name, value);
        let known = || self.known.iter().map(String::as_str);
        let is_above = |known: &&str| {
            let below = name.strip_prefix(known);
            below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
        };
        let reason = if let Some(above) = known().find(is_above) {
            format!("{above} is a setting, not a section: nothing is below it")
        } else if let Some(nearest) = suggestion::nearest(&name, known()) {
            format!("there is no such setting; did you mean {nearest}?")
        } else {
            "there is no such setting".to_owned()
        };
        self.refuse(name, place, reason);
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

fn value_path(root: &Dict, name: &str) -> std::path::PathBuf {
    let path = find(root, name).and_then(Value::as_str).unwrap_or_default();
    path.trim().into()
}
