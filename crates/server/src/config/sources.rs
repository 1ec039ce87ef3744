//! The sources of settings: a TOML file, overridden by the environment.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format as _, Toml},
    value::{Dict, Map, Value},
};

use super::{
    lines::Lines,
    mistake::{Mistake, Place},
};

/// The prefix of the service's variables; `__` also separates a section from its keys.
const PREFIX: &str = "FASHIONISTAR_AUTH__";
/// Names the configuration file; it is not a setting.
const FILE_VARIABLE: &str = "FASHIONISTAR_AUTH__CONFIG";

/// The service's environment variables. An empty variable counts as unset, as scripts and compose files expect.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    set: BTreeMap<String, String>,
    file: Option<PathBuf>,
    unreadable: Vec<String>,
}

impl Variables {
    /// The variables of this process.
    pub fn of_this_process() -> Self {
        let mut variables = Self::default();
        for (name, value) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(PREFIX) {
                continue;
            }
            match value.into_string() {
                Ok(value) => variables.set(&name, &value),
                Err(_) => variables.unreadable.push(name),
            }
        }
        variables
    }

    /// The given variables, for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut variables = Self::default();
        for (name, value) in pairs {
            if name.starts_with(PREFIX) {
                variables.set(name, value);
            }
        }
        variables
    }

    fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if name == FILE_VARIABLE {
            self.file = Some(value.into());
        } else {
            self.set.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named("variables")
    }

    /// Every value is passed as text, and its setting interprets it: `0123` may be a name.
    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut root = Dict::new();
        for (name, value) in &self.set {
            insert(&mut root, &path_of(name), value);
        }
        Ok(Profile::Default.collect(root))
    }
}

/// `FASHIONISTAR_AUTH__HTTP__LISTEN` is `["http", "listen"]`.
fn path_of(variable: &str) -> Vec<String> {
    let path = variable.strip_prefix(PREFIX).unwrap_or(variable);
    path.to_lowercase().split("__").map(str::to_owned).collect()
}

impl Variables {
    /// Reports variables that contradict each other or the file (one sets a value, the other a key below it): the
    /// merge would silently drop one of them.
    fn contradictions(&self, file: &Dict) -> Vec<Mistake> {
        let mut seen = BTreeMap::<Vec<String>, &str>::new();
        let mut found = Vec::new();
        for variable in self.set.keys() {
            let path = path_of(variable);
            let mut refuse = |reason: String| {
                found.push(Mistake {
                    setting: path.join("."),
                    place: Place::Variable(variable.clone()),
                    reason,
                });
            };
            if let Some(other) = seen.get(&path) {
                refuse(format!("is set by {other} as well"));
            }
            for above in (1..path.len()).filter_map(|length| path.get(..length)) {
                // Names are sorted, so a shorter one comes first.
                let is_value = value_at(file, above).is_some_and(|it| it.as_dict().is_none());
                if let Some(other) = seen.get(above) {
                    refuse(format!(
                        "{other} is set as well, and a setting has nothing below it"
                    ));
                } else if is_value {
                    refuse(format!(
                        "the file sets {} as well, and a setting has nothing below it",
                        above.join(".")
                    ));
                }
            }
            let below = value_at(file, &path).and_then(Value::as_dict);
            if below.is_some_and(|it| !it.is_empty()) {
                refuse("is a section in the file, and a section has no value".to_owned());
            }
            seen.entry(path).or_insert(variable);
        }
        found
    }
}

fn value_at<'v>(root: &'v Dict, path: &[String]) -> Option<&'v Value> {
    match path {
        [] => None,
        [key] => root.get(key),
        [section, rest @ ..] => value_at(root.get(section)?.as_dict()?, rest),
    }
}

fn insert(into: &mut Dict, path: &[String], value: &str) {
    match path {
        [] => {}
        [key] => {
            into.entry(key.clone()).or_insert_with(|| value.into());
        }
        [section, rest @ ..] => {
            let inner = into
                .entry(section.clone())
                .or_insert_with(|| Dict::new().into());
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// The merged sources, with the source of each setting.
pub(super) struct Sources {
    merged: Figment,
    file: Option<PathBuf>,
    lines: Lines,
}

impl Sources {
    /// Reads the file (named on the command line or by the variable) and overrides it with the variables.
    pub(super) fn gather(file: Option<&Path>, variables: &Variables) -> (Self, Vec<Mistake>) {
        let mut mistakes: Vec<Mistake> = variables
            .unreadable
            .iter()
            .map(|name| unreadable(name))
            .collect();
        let file = file.map(Path::to_owned).or_else(|| variables.file.clone());
        let mut merged = Figment::new();
        let mut lines = Lines::default();
        if let Some(path) = &file {
            match fs::read_to_string(path) {
                Ok(text) => {
                    lines = Lines::of(&text);
                    merged = merged.merge(Toml::string(&text));
                }
                Err(error) => mistakes.push(of_file(path, format!("cannot be read: {error}"))),
            }
            if let Err(error) = merged.find_value("") {
                mistakes.push(of_file(path, without_excerpt(&error.to_string())));
                merged = Figment::new();
            }
        }
        let in_file = merged.find_value("").ok().and_then(Value::into_dict);
        mistakes.extend(variables.contradictions(&in_file.unwrap_or_default()));
        let merged = merged.merge(variables);
        let sources = Self {
            merged,
            file,
            lines,
        };
        (sources, mistakes)
    }

    /// The whole tree.
    pub(super) fn root(&self) -> Dict {
        let root = self.merged.find_value("").ok();
        root.and_then(Value::into_dict).unwrap_or_default()
    }

    /// The source of this setting's value.
    pub(super) fn place_of(&self, setting: &str, value: &Value) -> Place {
        let is_variable = self
            .merged
            .get_metadata(value.tag())
            .is_some_and(|metadata| metadata.name == "variables");
        match &self.file {
            Some(path) if !is_variable => Place::File(path.clone(), self.lines.of_setting(setting)),
            _ => Place::Variable(variable_of(setting)),
        }
    }
}

fn variable_of(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "__").to_uppercase())
}

fn unreadable(name: &str) -> Mistake {
    Mistake {
        setting: name
            .trim_start_matches(PREFIX)
            .to_lowercase()
            .replace("__", "."),
        place: Place::Variable(name.to_owned()),
        reason: "is not UTF-8".to_owned(),
    }
}

fn of_file(path: &Path, reason: String) -> Mistake {
    Mistake {
        setting: "the configuration file".to_owned(),
        place: Place::File(path.to_owned(), None),
        reason,
    }
}

/// Removes the excerpt of the line around a syntax error, which may contain a password.
fn without_excerpt(message: &str) -> String {
    let lines: Vec<&str> = message
        .lines()
        .filter(|line| !line.contains('|') && !line.trim().is_empty())
        .collect();
    lines.join(": ")
}
