//! Mistakes of the configuration, described for its author.

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// The source of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The environment variable of this name.
    Variable(String),
    /// The configuration file, and the line if it is known.
    File(PathBuf, Option<usize>),
    /// A separate file that a setting names.
    SecretFile(PathBuf, Box<Self>),
    /// None: the default applies.
    Unset,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(path, Some(line)) => write!(f, "file {}, line {line}", path.display()),
            Self::File(path, None) => write!(f, "file {}", path.display()),
            Self::SecretFile(path, named) => write!(f, "file {}, {named}", path.display()),
            Self::Unset => f.write_str("not set"),
        }
    }
}

/// The source of every setting that was set.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(BTreeMap<String, Place>);

impl Places {
    pub(super) fn note(&mut self, setting: &str, place: Place) {
        self.0.insert(setting.to_owned(), place);
    }

    pub(super) fn of(&self, setting: &str) -> Place {
        self.0.get(setting).cloned().unwrap_or(Place::Unset)
    }
}

/// One invalid setting, which prevents the start. Contains the name and never the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The dotted name, or that of the file if the whole file is invalid.
    pub setting: String,
    /// The source of the setting.
    pub place: Place,
    /// What is wrong, and what would be valid.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.place, self.reason)
    }
}

/// All mistakes, so that they can be corrected together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// `Ok` if there are no mistakes.
    pub(crate) fn none_in(mistakes: Vec<Mistake>) -> Result<(), Self> {
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(Self(mistakes))
        }
    }

    /// In the order in which the settings are documented.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "the configuration has a mistake:")?,
            count => write!(f, "the configuration has {count} mistakes:")?,
        }
        self.0
            .iter()
            .try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}
