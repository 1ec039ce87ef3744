//! The texts of messages: templates in the binary, and those in an operator's folder, which override them.
//!
//! The folder has a subfolder for each language, named by its language tag (`en`, `fr`, `pt-br`), with plain files in
//! it. A file for a built-in language replaces only that file; a new language must have all files. At start-up,
//! templates that could fail later or that leave out the code are refused, and all mistakes are reported together.

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

/// The settings of templates that do not depend on the recipient.
#[derive(Debug, Clone)]
pub struct TemplateConfig {
    /// The name of the product.
    pub product: String,
    /// Where people can ask for help: an address or a page.
    pub support: Option<String>,
    /// The language for people who chose none, or one without templates.
    pub default_language: String,
    /// The page that reads a reset token from its fragment, which no server log contains: an absolute URL without a
    /// fragment.
    pub reset_page: String,
    /// The page that reads the token of a notice's link from its fragment; likewise without a fragment.
    pub notice_page: String,
    /// The labels by which people know providers other than Google.
    pub providers: BTreeMap<ProviderName, String>,
    /// The operator's folder; `None` uses the built-in templates only.
    pub folder: Option<PathBuf>,
}

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateMistake {
    /// The file's path inside the folder.
    pub file: String,
    /// The mistake, in words that follow the path.
    pub reason: String,
}

impl fmt::Display for TemplateMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.reason)
    }
}

/// All templates, loaded and checked.
pub struct Templates {
    environment: Environment<'static>,
    languages: BTreeSet<String>,
    config: TemplateConfig,
}

/// The sources of templates by language and file name.
type Sources = BTreeMap<(String, String), String>;

impl Templates {
    /// Loads and checks all templates.
    ///
    /// # Errors
    /// All mistakes in them.
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
        // An undefined variable must fail here instead of leaving a gap in a mail.
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

    /// The language for a letter: the requested one, the same without its region, or the default.
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
