//! The checks of templates at start-up, before any message depends on them.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Error;

use super::{
    Facts, Sources, TemplateMistake, Templates,
    facts::Summary,
    kinds::{KINDS, Part, TemplateKind, files, is_known, kind_of_file},
};

/// Sample values. They are distinctive, so that they can be found in the rendered text.
const CODE: &str = "490317";
const MOMENT: &str = "2026-01-01 00:00 UTC";
const LINK: &str = "https://shop.example/reset#token=0123456789abcdef";

/// Checks that every language has every file.
pub(super) fn nothing_is_missing(
    languages: &BTreeSet<String>,
    sources: &Sources,
    mistakes: &mut Vec<TemplateMistake>,
) {
    for language in languages {
        for file in files() {
            if !sources.contains_key(&(language.clone(), file.clone())) {
                mistakes.push(TemplateMistake {
                    file: format!("{language}/{file}"),
                    reason: "is missing".to_owned(),
                });
            }
        }
    }
}

/// Turns an error of the template engine into a mistake in the file where it occurred.
pub(super) fn mistake(file: String, error: &Error) -> TemplateMistake {
    let reason = match error.line() {
        Some(line) => format!("line {line}: {error}"),
        None => error.to_string(),
    };
    TemplateMistake {
        file: error.name().map_or(file, ToOwned::to_owned),
        reason,
    }
}

impl Templates {
    /// The mistakes in templates that all parse.
    pub(super) fn check(&self) -> Vec<TemplateMistake> {
        let mut mistakes = BTreeMap::new();
        let mut note = |mistake: TemplateMistake| {
            // One mistake per file is enough: the others usually follow from it.
            mistakes.entry(mistake.file.clone()).or_insert(mistake);
        };
        for (name, template) in self.environment.templates() {
            let file = name.split_once('/').map_or(name, |(_, file)| file);
            let kind = kind_of_file(file);
            let mut unknown: Vec<String> = template
                .undeclared_variables(false)
                .into_iter()
                .filter(|variable| !is_known(kind, variable))
                .collect();
            unknown.sort();
            if !unknown.is_empty() {
                note(TemplateMistake {
                    file: name.to_owned(),
                    reason: format!("there is no {} for it to speak of", unknown.join(", ")),
                });
            }
        }
        for language in &self.languages {
            for kind in KINDS {
                // Once with every optional value, and once with none.
                for facts in [self.all_facts(language), self.fewest_facts(language)] {
                    self.try_out(kind, &facts, &mut note);
                }
            }
        }
        mistakes.into_values().collect()
    }

    fn all_facts<'a>(&'a self, language: &'a str) -> Facts<'a> {
        Facts {
            language,
            product: &self.config.product,
            support: Some("help@shop.example"),
            code: Some(CODE),
            minutes: Some(10),
            link: Some(LINK.to_owned()),
            link_minutes: Some(30),
            link_days: Some(7),
            link_hours: Some(72),
            what: Some("provider"),
            provider: Some("Entra".to_owned()),
            hours: Some(72),
            summary: Some(Summary {
                notice: "new_device",
                count: 19,
                since: MOMENT.to_owned(),
                times: vec![MOMENT.to_owned()],
                more: 18,
                last: MOMENT.to_owned(),
            }),
        }
    }

    fn fewest_facts<'a>(&'a self, language: &'a str) -> Facts<'a> {
        let all = self.all_facts(language);
        Facts {
            support: None,
            link: None,
            link_minutes: None,
            link_days: None,
            link_hours: None,
            summary: all.summary.map(|summary| Summary {
                times: Vec::new(),
                more: 0,
                ..summary
            }),
            ..self.all_facts(language)
        }
    }

    fn try_out(
        &self,
        kind: &TemplateKind,
        facts: &Facts<'_>,
        note: &mut impl FnMut(TemplateMistake),
    ) {
        for part in Part::ALL {
            let file = format!("{}/{}", facts.language, kind.file(part));
            let text = match self.render(kind, part, facts) {
                Ok(text) => text,
                Err(error) => {
                    note(mistake(file, &error));
                    continue;
                }
            };
            let reason = if kind.variables.contains(&"code") && !text.contains(CODE) {
                "does not tell the code: {{ code }}"
            } else if !says_something(part, &text) {
                "must say something; a mail begins with its subject and an empty line"
            } else {
                continue;
            };
            let reason = reason.to_owned();
            note(TemplateMistake { file, reason });
        }
    }
}

fn says_something(part: Part, text: &str) -> bool {
    match part {
        Part::Html | Part::Sms => !text.trim().is_empty(),
        Part::Mail => {
            let mut lines = text.lines().map(str::trim);
            let has_subject = lines.next().is_some_and(|subject| !subject.is_empty());
            let is_apart = lines.next().is_some_and(str::is_empty);
            has_subject && is_apart && lines.any(|line| !line.is_empty())
        }
    }
}
