//! What templates can speak of.

use authentication_app::ports::LetterKind;
use minijinja::Value;

use super::TemplateConfig;

/// What a template can speak of; what a letter does not have is none.
pub(super) struct Facts<'a> {
    pub(super) language: &'a str,
    pub(super) product: &'a str,
    pub(super) support: Option<&'a str>,
    pub(super) code: Option<&'a str>,
    pub(super) minutes: Option<i64>,
    pub(super) link: Option<String>,
    pub(super) link_minutes: Option<i64>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(
        letter: &'a LetterKind,
        language: &'a str,
        config: &'a TemplateConfig,
    ) -> Self {
        let mut facts = Self {
            language,
            product: &config.product,
            support: config.support.as_deref(),
            code: None,
            minutes: None,
            link: None,
            link_minutes: None,
        };
        match letter {
            LetterKind::Code {
                code,
                lifetime,
                link,
                ..
            } => {
                facts.code = Some(code.expose());
                facts.minutes = Some(lifetime.whole_minutes());
                if let Some(link) = link {
                    let token = link.token.expose();
                    facts.link = Some(format!("{}#token={token}", config.reset_page));
                    facts.link_minutes = Some(link.lifetime.whole_minutes());
                }
            }
            LetterKind::SignInLocked { lasts } => facts.minutes = Some(lasts.whole_minutes()),
            LetterKind::AlreadyRegistered
            | LetterKind::PasswordChanged
            | LetterKind::SessionStolen => {}
        }
        facts
    }

    /// As the engine takes them.
    pub(super) fn to_value(&self) -> Value {
        Value::from_pairs([
            ("language", Value::from(self.language)),
            ("product", Value::from(self.product)),
            ("support", Value::from(self.support)),
            ("code", Value::from(self.code)),
            ("minutes", Value::from(self.minutes)),
            ("link", Value::from(self.link.as_ref())),
            ("link_minutes", Value::from(self.link_minutes)),
        ])
    }
}
