//! The values of template variables.

use authentication_app::ports::{Gathered, Letter, LetterKind, LinkKind};
use authentication_domain::credentials::CredentialKind;
use minijinja::Value;
use time::{OffsetDateTime, UtcOffset};

use super::{TemplateConfig, kinds::TemplateKind};

/// The values of template variables; `None` for what a letter does not have.
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
    pub(super) provider: Option<String>,
    pub(super) hours: Option<i64>,
    pub(super) summary: Option<Summary>,
}

/// The content of a letter that gathers several notices.
#[derive(Clone)]
pub(super) struct Summary {
    pub(super) notice: &'static str,
    pub(super) count: u32,
    pub(super) since: String,
    pub(super) times: Vec<String>,
    pub(super) more: u32,
    pub(super) last: String,
}

impl Summary {
    fn of(notice: &'static str, gathered: &Gathered) -> Self {
        let listed = u32::try_from(gathered.times.len()).unwrap_or(u32::MAX);
        Self {
            notice,
            count: gathered.acts,
            since: point_in_time(gathered.since),
            times: gathered.times.iter().copied().map(point_in_time).collect(),
            more: gathered.acts.saturating_sub(listed),
            last: point_in_time(gathered.last),
        }
    }
}

/// The label by which people know a provider, or its name if it is no longer configured.
fn provider_of(what: CredentialKind, config: &TemplateConfig) -> Option<String> {
    match what {
        CredentialKind::Provider(name) => {
            let label = config.providers.get(&name).cloned();
            Some(label.unwrap_or_else(|| name.to_string()))
        }
        CredentialKind::Google => Some("Google".to_owned()),
        _ => None,
    }
}

/// The format is the same in every language.
fn point_in_time(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let (date, hour, minute) = (at.date(), at.hour(), at.minute());
    format!("{date} {hour:02}:{minute:02} UTC")
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
            provider: None,
            hours: None,
            summary: None,
        };
        if let Some(gathered) = &letter.gathered {
            let notice = TemplateKind::of_one(&letter.kind).name;
            facts.summary = Some(Summary::of(notice, gathered));
        }
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
                facts.provider = provider_of(*what, config);
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

    /// Adds the link of a notice. Its fragment tells the page which route takes the token.
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

    /// The values in the form that the template engine takes.
    pub(super) fn to_value(&self) -> Value {
        let summary = self.summary.as_ref();
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
            ("provider", Value::from(self.provider.as_ref())),
            ("hours", Value::from(self.hours)),
            ("notice", Value::from(summary.map(|it| it.notice))),
            ("count", Value::from(summary.map(|it| it.count))),
            ("since", Value::from(summary.map(|it| it.since.as_str()))),
            ("times", Value::from(summary.map(|it| it.times.clone()))),
            ("more", Value::from(summary.map(|it| it.more))),
            ("last", Value::from(summary.map(|it| it.last.as_str()))),
        ])
    }
}
