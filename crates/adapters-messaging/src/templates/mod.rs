//! The words of messages: templates inside the binary, and over them those of an operator's folder.
//!
//! A folder has one folder for each language, named by its tag (`en`, `fr`, `pt-br`), with plain files in it.
//! A file over a language that is built in replaces that one file; a new language has all of them. The start
//! refuses templates that could fail later, or that forget the code, and tells every mistake at once.

mod built_in;
mod check;
mod facts;
mod folder;
mod kinds;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use authentication_app::ports::{Channel, Letter, LetterWriter, UnwritableLetter, WrittenLetter};
use authentication_domain::federation::ProviderName;
use minijinja::{Environment, UndefinedBehavior};

use facts::Facts;
use kinds::{Part, TemplateKind};

/// What the words are about, whoever gets them.
#[derive(Debug, Clone)]
pub struct TemplateConfig {
    /// What the service calls itself.
    pub product: String,
    /// Where people turn to with questions: an address or a page.
    pub support: Option<String>,
    /// For people who asked for no language, or for one that is not there.
    pub default_language: String,
    /// The page that takes a reset token from its fragment, which no server log ever sees: an absolute URL
    /// without a fragment.
    pub reset_page: String,
    /// The page that takes the token of a link in a notice from its fragment, likewise.
    pub notice_page: String,
    /// What people know providers by, beside Google.
    pub providers: BTreeMap<ProviderName, String>,
    /// The operator's folder.
    pub folder: Option<PathBuf>,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateMistake {
    /// The file, from the folder on.
    pub file: String,
    /// What.
    pub reason: String,
}

impl fmt::Display for TemplateMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.reason)
    }
}

/// All templates, checked.
pub struct Templates {
    environment: Environment<'static>,
    languages: BTreeSet<String>,
    config: TemplateConfig,
}

/// Templates by language and file.
type Sources = BTreeMap<(String, String), String>;

impl Templates {
    /// Reads and checks all templates.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn load(config: TemplateConfig) -> Result<Self, Vec<TemplateMistake>> {
        let mut mistakes = Vec::new();
        let mut sources: Sources = built_in::BUILT_IN
            .iter()
            .map(|(language, file, source)| {
                (
                    (String::from(*language), String::from(*file)),
                    String::from(*source),
                )
            })
            .collect();
        if let Some(folder) = &config.folder {
            sources.extend(folder::read(folder, &mut mistakes));
        }
        let languages: BTreeSet<String> = sources
            .keys()
            .map(|(language, _)| language.clone())
            .collect();
        check::nothing_is_missing(&languages, &sources, &mut mistakes);
        let mut environment = Environment::new();
        // What is said of a value that is not there must not be an empty space in somebody's mail.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_path_join_callback(|name, parent| {
            let language = parent.split('/').next().unwrap_or_default();
            format!("{language}/{name}").into()
        });
        for ((language, file), source) in sources {
            let name = format!("{language}/{file}");
            if let Err(error) = environment.add_template_owned(name.clone(), source) {
                mistakes.push(check::mistake(name, &error));
            }
        }
        let templates = Self {
            environment,
            languages,
            config,
        };
        if mistakes.is_empty() {
            mistakes = templates.check();
        }
        if !templates
            .languages
            .contains(&templates.config.default_language)
        {
            let known: Vec<&str> = templates.languages.iter().map(String::as_str).collect();
            mistakes.push(TemplateMistake {
                file: templates.config.default_language.clone(),
                reason: format!(
                    "is the default language and has no templates; there are {}",
                    known.join(", ")
                ),
            });
        }
        if mistakes.is_empty() {
            Ok(templates)
        } else {
            Err(mistakes)
        }
    }

    /// The language of a letter: the one asked for, the same without its region, or the default.
    fn language(&self, asked_for: Option<&str>) -> &str {
        let asked_for = asked_for.unwrap_or_default().to_ascii_lowercase();
        let primary = asked_for.split('-').next().unwrap_or_default();
        let known = |tag: &str| self.languages.get(tag);
        known(&asked_for)
            .or_else(|| known(primary))
            .unwrap_or(&self.config.default_language)
    }

    fn render(
        &self,
        kind: &TemplateKind,
        part: Part,
        facts: &Facts<'_>,
    ) -> Result<String, minijinja::Error> {
        let name = format!("{}/{}", facts.language, kind.file(part));
        let text = self
            .environment
            .get_template(&name)?
            .render(facts.to_value())?;
        Ok(text.trim_end().to_owned())
    }

    fn written(
        &self,
        kind: &TemplateKind,
        facts: &Facts<'_>,
        channel: Channel,
    ) -> Result<WrittenLetter, minijinja::Error> {
        let language = facts.language.to_owned();
        Ok(match channel {
            Channel::Sms => WrittenLetter {
                subject: String::new(),
                text: self.render(kind, Part::Sms, facts)?,
                html: None,
                language,
            },
            Channel::Email => {
                let mail = self.render(kind, Part::Mail, facts)?;
                let (subject, text) = mail.split_once('\n').unwrap_or((&mail, ""));
                WrittenLetter {
                    subject: subject.trim().to_owned(),
                    text: text.trim().to_owned(),
                    html: Some(self.render(kind, Part::Html, facts)?),
                    language,
                }
            }
        })
    }
}

impl LetterWriter for Templates {
    fn write(&self, letter: &Letter, channel: Channel) -> Result<WrittenLetter, UnwritableLetter> {
        let language = self.language(letter.language.as_deref());
        let facts = Facts::of(letter, language, &self.config);
        let written = self.written(TemplateKind::of(letter), &facts, channel);
        written.map_err(|_| UnwritableLetter)
    }
}
