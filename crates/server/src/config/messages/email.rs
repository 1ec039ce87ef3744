//! `messages.email.…` and `messages.smtp.…`

use std::{net::IpAddr, path::PathBuf, time::Duration};

use adapters_messaging::SmtpSecurity;
use authentication_app::notifications::Ceilings;
use authentication_domain::accounts::EmailAddress;
use figment::value::Value;
use secrecy::SecretString;

use crate::config::{
    kinds::{self, Parsed},
    reader::Reader,
};

/// The provider for mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailProvider {
    /// `smtp`: the server of `messages.smtp`.
    Smtp,
    /// `none`: mail is not sent.
    Nobody,
}

/// Settings of mail.
#[derive(Debug, Clone)]
pub struct EmailSettings {
    /// `messages.email.provider`: `smtp` or `none`. Required when `messages.sender` is `providers`.
    pub provider: Option<EmailProvider>,
    /// `messages.email.daily_ceiling`: the most mails with codes per day, to all recipients together. Default
    /// 100000.
    pub daily_ceiling: u32,
    /// `messages.email.notice_daily_ceiling`: the most mails with notices per day, to all recipients together.
    /// Default 100000.
    pub notice_daily_ceiling: u32,
    /// `messages.smtp.…`
    pub smtp: SmtpSettings,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// `messages.smtp.host`: the host name, which its certificate must match.
    pub host: Option<String>,
    /// `messages.smtp.port`. Default 465, with `starttls` 587, with `none` 25.
    pub port: u16,
    /// `messages.smtp.security`: `tls` (from the first byte, default), `starttls` (refuses a server that does not
    /// offer it), or `none` (unencrypted, to this machine only and not in production mode).
    pub security: SmtpSecurity,
    /// `messages.smtp.username`: to be set together with the password.
    pub username: Option<String>,
    /// `messages.smtp.password`
    pub password: Option<SecretString>,
    /// `messages.smtp.ehlo_name`: the name in EHLO, a full host name or an address. Default: the host of
    /// `http.public_url`.
    pub ehlo_name: Option<String>,
    /// `messages.smtp.from`: the sender address.
    pub from: Option<String>,
    /// `messages.smtp.from_name`: the display name of the sender. Default `messages.product`.
    pub from_name: Option<String>,
    /// `messages.smtp.timeout_seconds`: for everything before the message, and again for the message and its reply.
    /// Default 10.
    pub timeout: Duration,
    /// `messages.smtp.ca_file`: the only certificate authorities to trust. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// `messages.smtp.connections`: the most connections at the same time. Default 8.
    pub connections: usize,
}

impl EmailSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let providers = &[
            ("smtp", EmailProvider::Smtp),
            ("none", EmailProvider::Nobody),
        ];
        let defaults = Ceilings::default();
        let any = 0..=1_000_000_000;
        Self {
            provider: reader.setting("messages.email.provider", kinds::choice(providers)),
            daily_ceiling: reader
                .setting("messages.email.daily_ceiling", kinds::number(any.clone()))
                .unwrap_or(defaults.mails_a_day),
            notice_daily_ceiling: reader
                .setting("messages.email.notice_daily_ceiling", kinds::number(any))
                .unwrap_or(defaults.notice_mails_a_day),
            smtp: SmtpSettings::read(reader),
        }
    }
}

impl SmtpSettings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let securities = &[
            ("tls", SmtpSecurity::Tls),
            ("starttls", SmtpSecurity::StartTls),
            ("none", SmtpSecurity::None),
        ];
        let host = reader.setting("messages.smtp.host", kinds::text);
        let port = reader.setting("messages.smtp.port", kinds::number(1..=65_535));
        let security = reader.setting("messages.smtp.security", kinds::choice(securities));
        let security = security.unwrap_or(SmtpSecurity::Tls);
        Self {
            host,
            port: port.unwrap_or(match security {
                SmtpSecurity::Tls => 465,
                SmtpSecurity::StartTls => 587,
                SmtpSecurity::None => 25,
            }),
            security,
            username: reader.setting("messages.smtp.username", kinds::text),
            password: reader.setting("messages.smtp.password", kinds::secret),
            ehlo_name: reader.setting("messages.smtp.ehlo_name", full_name_or_address),
            from: reader.setting("messages.smtp.from", mail_address),
            from_name: reader.setting("messages.smtp.from_name", kinds::text),
            timeout: reader
                .setting("messages.smtp.timeout_seconds", kinds::number(1..=20))
                .map_or(Duration::from_secs(10), Duration::from_secs),
            ca_file: reader.setting("messages.smtp.ca_file", kinds::path),
            connections: reader
                .setting("messages.smtp.connections", kinds::number(1..=64))
                .unwrap_or(8),
        }
    }
}

fn full_name_or_address(value: &Value) -> Parsed<String> {
    let text = value.as_str().map(str::trim).unwrap_or_default();
    let is_label = |label: &str| {
        let of_names = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(of_names)
    };
    let is_full_name = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
    if is_full_name || text.parse::<IpAddr>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("must be a full name or an address, such as auth.example.com or 192.0.2.7".to_owned())
    }
}

fn mail_address(value: &Value) -> Parsed<String> {
    let text = value.as_str().unwrap_or_default();
    EmailAddress::parse(text)
        .map(|address| address.to_text())
        .map_err(|_| "must be a mail address, such as no-reply@example.com".to_owned())
}
