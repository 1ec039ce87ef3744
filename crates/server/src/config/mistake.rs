//! What is wrong with the configuration, in words for the person who wrote it.

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// Where a setting was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the environment, under this name.
    Variable(String),
    /// In the configuration file, on this line when it can be told.
    File(PathBuf, Option<usize>),
    /// In a file of its own, which a setting names.
    SecretFile(PathBuf, Box<Self>),
    /// Nowhere: the default holds.
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

/// Where each setting was set that was set at all.
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

/// One setting that the service does not start on. Names the setting, never its value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its dotted name, or the file's when the file as a whole is meant.
    pub setting: String,
    /// Where it was set.
    pub place: Place,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.place, self.reason)
    }
}

/// Everything that is wrong, so that it can be put right at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// `Ok` when there are none.
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
