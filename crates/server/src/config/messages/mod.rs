//! `messages.…`: mail and text messages.

mod email;
mod rules;
mod sms;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use authentication_domain::profiles::Profile;
use figment::value::Value;
use url::Url;

use super::{
    Mode,
    kinds::{self, Parsed},
    reader::Reader,
};

pub use email::{EmailProvider, EmailSettings, SmtpSettings};
pub use sms::{SmsProvider, SmsSettings};

/// The sender of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderChoice {
    /// `providers`: as set in `messages.email.provider` and `messages.sms.provider`.
    Providers,
    /// `mailbox`: messages are only shown at `/dev/mailbox`. Development mode only.
    Mailbox,
    /// `none`: messages stay queued until a node with a sender delivers them.
    Nobody,
}

/// Messages and their contents.
#[derive(Debug, Clone)]
pub struct MessageSettings {
    /// `messages.sender`: `providers`, `mailbox` or `none`. Default in development mode: `mailbox`; in
    /// production mode there is none.
    pub sender: Option<SenderChoice>,
    /// `messages.product`: the product name in messages. Default `Fashionistar`.
    pub product: String,
    /// `messages.support`: the contact for questions, an address or a page. Default none.
    pub support: Option<String>,
    /// `messages.default_language`: for recipients who requested no language, or one without templates. Default
    /// `en`.
    pub default_language: String,
    /// `messages.templates_dir`: templates that override the built-in ones. Default none.
    pub templates_dir: Option<PathBuf>,
    /// `messages.reset_page_url`: the page that reads the token of a mailed reset link from its URL fragment.
    /// Default `/reset-password` under `http.public_url`; required in production mode, with https.
    pub reset_page_url: Option<Url>,
    /// `messages.notice_page_url`: the page that reads the token of a link in a notice from its URL fragment, asks
    /// for confirmation, and posts the token. Default `/notice` under `http.public_url`; required in production
    /// mode, with https.
    pub notice_page_url: Option<Url>,
    /// `messages.email.…` and `messages.smtp.…`
    pub email: EmailSettings,
    /// `messages.sms.…`
    pub sms: SmsSettings,
}

impl MessageSettings {
    pub(super) fn read(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let senders = &[
            ("providers", SenderChoice::Providers),
            ("mailbox", SenderChoice::Mailbox),
            ("none", SenderChoice::Nobody),
        ];
        Self {
            sender: reader
                .setting("messages.sender", kinds::choice(senders))
                .or((mode == Mode::Development).then_some(SenderChoice::Mailbox)),
            product: reader
                .setting("messages.product", kinds::text)
                .unwrap_or_else(|| "Fashionistar".to_owned()),
            support: reader.setting("messages.support", kinds::text),
            default_language: reader
                .setting("messages.default_language", language)
                .unwrap_or_else(|| "en".to_owned()),
            templates_dir: reader.setting("messages.templates_dir", kinds::path),
            reset_page_url: reader.setting("messages.reset_page_url", kinds::web_url),
            notice_page_url: reader.setting("messages.notice_page_url", kinds::web_url),
            email: EmailSettings::read(reader),
            sms: SmsSettings::read(reader),
        }
    }

    /// Whether messages are delivered to people.
    pub(crate) fn reaches_people(&self) -> bool {
        self.sender == Some(SenderChoice::Providers)
    }
}

/// A language tag, in lower case.
fn language(value: &Value) -> Parsed<String> {
    let tag = value.as_str().map(str::trim).unwrap_or_default();
    Profile::parse_language(tag)
        .map(|tag| tag.to_ascii_lowercase())
        .map_err(|_| "must be a language tag, such as en or pt-br".to_owned())
}
