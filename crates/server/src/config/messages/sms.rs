//! `messages.sms.…`

use std::{path::PathBuf, time::Duration};

use adapters_messaging::{BodyTemplate, GatewayUrl};
use authentication_app::notifications::Ceilings;
use figment::value::Value;
use secrecy::SecretString;
use url::Url;

use crate::config::{
    kinds::{self, Parsed},
    reader::Reader,
};

/// The provider for text messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsProvider {
    /// `http`: a gateway that accepts JSON.
    Http,
    /// `twilio`: Twilio, or a provider with the same API.
    Twilio,
    /// `none`: text messages are not sent.
    Nobody,
}

/// Settings of text messages.
#[derive(Debug, Clone)]
pub struct SmsSettings {
    /// `messages.sms.provider`: `http`, `twilio` or `none`. Required when `messages.sender` is `providers`.
    pub provider: Option<SmsProvider>,
    /// `messages.sms.daily_ceiling`: the most text messages with codes per day, to all numbers together. Default
    /// 10000.
    pub daily_ceiling: u32,
    /// `messages.sms.range_digits`: the number of digits after the country code that define a range. Default 2.
    pub range_digits: u8,
    /// `messages.sms.range_hourly_ceiling`: the most text messages with codes per hour to one range. Default 500.
    pub range_hourly_ceiling: u32,
    /// `messages.sms.range_daily_ceiling`: the most text messages with codes per day to one range. Default 3000.
    pub range_daily_ceiling: u32,
    /// `messages.sms.notice_daily_ceiling`: the most text messages with notices per day, to all numbers together.
    /// Default 10000.
    pub notice_daily_ceiling: u32,
    /// `messages.sms.notice_range_daily_ceiling`: the most text messages with notices per day to one range. Default
    /// 3000.
    pub notice_range_daily_ceiling: u32,
    /// `messages.sms.url`: the URL that `http` posts to, which may contain a key in its query. For `twilio` the
    /// part before `/2010-04-01`, by default `https://api.twilio.com`.
    pub url: Option<GatewayUrl>,
    /// `messages.sms.from`: the sender's number or name; for `twilio` also a messaging service (`MG…`).
    pub from: Option<String>,
    /// `messages.sms.token`: the bearer token for `http`. Default none.
    pub token: Option<SecretString>,
    /// `messages.sms.body`: the JSON that `http` posts, which may contain a key, with the placeholders `{to}`,
    /// `{text}`, `{id}` and `{from}` in its strings. Default `{"id": "{id}", "to": "{to}", "text": "{text}"}`.
    pub body: BodyTemplate,
    /// `messages.sms.account_sid`: the account at `twilio`.
    pub account_sid: Option<String>,
    /// `messages.sms.auth_token`: the token of that account.
    pub auth_token: Option<SecretString>,
    /// `messages.sms.timeout_seconds`: for a whole request. Default 10.
    pub timeout: Duration,
    /// `messages.sms.ca_file`: the only certificate authorities to trust. Default: those of the system.
    pub ca_file: Option<PathBuf>,
}

impl SmsSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let providers = &[
            ("http", SmsProvider::Http),
            ("twilio", SmsProvider::Twilio),
            ("none", SmsProvider::Nobody),
        ];
        let defaults = Ceilings::default();
        let any = 0..=1_000_000_000;
        Self {
            provider: reader.setting("messages.sms.provider", kinds::choice(providers)),
            daily_ceiling: reader
                .setting("messages.sms.daily_ceiling", kinds::number(any.clone()))
                .unwrap_or(defaults.texts_a_day),
            range_digits: reader
                .setting("messages.sms.range_digits", kinds::number(0..=4))
                .unwrap_or(defaults.range_digits),
            range_hourly_ceiling: reader
                .setting(
                    "messages.sms.range_hourly_ceiling",
                    kinds::number(any.clone()),
                )
                .unwrap_or(defaults.texts_an_hour_to_a_range),
            range_daily_ceiling: reader
                .setting(
                    "messages.sms.range_daily_ceiling",
                    kinds::number(any.clone()),
                )
                .unwrap_or(defaults.texts_a_day_to_a_range),
            notice_daily_ceiling: reader
                .setting(
                    "messages.sms.notice_daily_ceiling",
                    kinds::number(any.clone()),
                )
                .unwrap_or(defaults.notice_texts_a_day),
            notice_range_daily_ceiling: reader
                .setting(
                    "messages.sms.notice_range_daily_ceiling",
                    kinds::number(any),
                )
                .unwrap_or(defaults.notice_texts_a_day_to_a_range),
            url: reader.setting("messages.sms.url", gateway_url),
            from: reader.setting("messages.sms.from", kinds::text),
            token: reader.setting("messages.sms.token", header_secret),
            body: reader
                .setting("messages.sms.body", |value| {
                    BodyTemplate::parse(value.as_str().unwrap_or_default())
                })
                .unwrap_or_default(),
            account_sid: reader.setting("messages.sms.account_sid", kinds::text),
            auth_token: reader.setting("messages.sms.auth_token", header_secret),
            timeout: reader
                .setting("messages.sms.timeout_seconds", kinds::number(1..=40))
                .map_or(Duration::from_secs(10), Duration::from_secs),
            ca_file: reader.setting("messages.sms.ca_file", kinds::path),
        }
    }
}

/// A URL that begins with `https://`, or with `http://` for this machine. It may have a query.
fn gateway_url(value: &Value) -> Parsed<GatewayUrl> {
    let wanted =
        "must be an absolute URL that begins with https://, without user name and fragment";
    let parsed = value.as_str().and_then(|text| Url::parse(text.trim()).ok());
    parsed
        .filter(|url| {
            let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
            let is_bare = url.username().is_empty() && url.password().is_none();
            is_web && is_bare && url.fragment().is_none()
        })
        .map(GatewayUrl)
        .ok_or_else(|| wanted.to_owned())
}

/// A secret that is sent unchanged in a header.
fn header_secret(value: &Value) -> Parsed<SecretString> {
    let secret = kinds::secret(value)?;
    let text = value.as_str().unwrap_or_default();
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(secret)
    } else {
        Err("must be letters, digits and signs of ASCII, without spaces".to_owned())
    }
}
