//! What templates can speak of.

use authentication_app::ports::{Letter, LetterKind, LinkKind};
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
    pub(super) link_days: Option<i64>,
    pub(super) link_hours: Option<i64>,
    pub(super) what: Option<&'static str>,
    pub(super) hours: Option<i64>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(letter: &'a Letter, language: &'a str, config: &'a TemplateConfig) -> Self {
        let mut facts = Self {
            language,
            product: &config.product,
            support: config.support.as_deref(),
            code: None,
            minutes: None,
            link: None,
            link_minutes: None,
            link_days: None,
            link_hours: None,
            what: None,
            hours: None,
        };
        facts.say_it_was_somebody_else(letter, config);
        match &letter.kind {
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
            LetterKind::FactorResetAnnounced { wait } => facts.hours = Some(wait.whole_hours()),
            LetterKind::SignInLocked { lasts } => facts.minutes = Some(lasts.whole_minutes()),
            LetterKind::CredentialAdded(what) | LetterKind::CredentialRemoved(what) => {
                facts.what = Some(what.as_str());
            }
            LetterKind::AlreadyRegistered
            | LetterKind::GuessingStopped
            | LetterKind::PasswordChanged
            | LetterKind::SessionStolen
            | LetterKind::NewDevice
            | LetterKind::RecoveryCodeUsed
            | LetterKind::RecoveryCodesLow
            | LetterKind::IdentifierChanged
            | LetterKind::IdentifierRestored
            | LetterKind::AccountSecured
            | LetterKind::FactorsReset
            | LetterKind::PasskeyCopySuspected
            | LetterKind::SecondFactorRefused
            | LetterKind::AuthenticatorClosed => {}
        }
        facts
    }

    /// The link in a notice. Its fragment tells the page which route takes the token.
    fn say_it_was_somebody_else(&mut self, letter: &Letter, config: &TemplateConfig) {
        let Some(link) = &letter.link else { return };
        let (page, token) = (&config.notice_page, link.token.expose());
        match link.kind {
            LinkKind::NotMe => {
                self.link = Some(format!("{page}#not-me={token}"));
                self.link_days = Some(link.lifetime.whole_days());
            }
            LinkKind::IdentifierUndo => {
                self.link = Some(format!("{page}#undo={token}"));
                self.link_hours = Some(link.lifetime.whole_hours());
            }
        }
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
            ("link_days", Value::from(self.link_days)),
            ("link_hours", Value::from(self.link_hours)),
            ("what", Value::from(self.what)),
            ("hours", Value::from(self.hours)),
        ])
    }
}
