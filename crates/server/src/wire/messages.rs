//! The senders of messages, and their templates.

use std::{fs, path::PathBuf, sync::Arc};

use adapters_messaging::{
    ByChannel, DevMailbox, GatewayConfig, GatewayUrl, HttpGateway, SmtpConfig, SmtpSender,
    TemplateConfig, Templates, Twilio, TwilioConfig,
};
use api_http::ports::MailboxView;
use authentication_app::{
    Foundation,
    notifications::{Ceilings, Notifications},
    ports::{LetterWriter, MessageSender},
};
use url::Url;

use super::{Gauges, counters::CountingSender, mailbox::Mailbox, providers};
use crate::config::{
    Config, EmailProvider, MessageSettings, Mistake, Mistakes, SenderChoice, SmsProvider,
    SmsSettings,
};

/// The address of the `twilio` gateway unless another one is set.
const TWILIO: &str = "https://api.twilio.com";

/// The sender of messages, and the mailbox that shows them in development.
pub(super) struct Outgoing {
    sender: Option<Arc<dyn MessageSender>>,
    writer: Arc<dyn LetterWriter>,
    pub(super) mailbox: Option<Arc<dyn MailboxView>>,
}

type Sender = Arc<dyn MessageSender>;

impl Outgoing {
    /// The configured sender, or `given` instead. Does not connect yet.
    pub(super) fn open(
        config: &Config,
        given: Option<Sender>,
        public_url: &str,
    ) -> Result<Self, Mistakes> {
        let mut found = Vec::new();
        let writer = templates(config, public_url, &mut found);
        let (sender, mailbox) = match (given, config.messages.sender) {
            (Some(given), _) => (Some(given), None),
            (None, Some(SenderChoice::Mailbox)) => {
                let mailbox = Arc::new(DevMailbox::new());
                let view: Arc<dyn MailboxView> = Arc::new(Mailbox(Arc::clone(&mailbox)));
                (Some(mailbox as Sender), Some(view))
            }
            (None, Some(SenderChoice::Providers)) => (Some(providers(config, &mut found)), None),
            (None, Some(SenderChoice::Nobody) | None) => (None, None),
        };
        Mistakes::none_in(found)?;
        match writer {
            Some(writer) => Ok(Self {
                sender,
                writer,
                mailbox,
            }),
            // The reason was collected in `found` above.
            None => Err(config
                .mistake("messages.templates_dir", "cannot be used")
                .into()),
        }
    }

    /// The use case of the delivery worker; `None` without a sender.
    pub(super) fn notifications(
        self,
        config: &Config,
        base: &Arc<Foundation>,
        gauges: &Gauges,
    ) -> Option<Notifications> {
        let sender = CountingSender::new(self.sender?, gauges.messages_sent());
        let ceilings = ceilings(&config.messages);
        let base = Arc::clone(base);
        Some(Notifications::new(
            base,
            Arc::new(sender),
            self.writer,
            ceilings,
        ))
    }
}

const fn ceilings(messages: &MessageSettings) -> Ceilings {
    Ceilings {
        mails_a_day: messages.email.daily_ceiling,
        texts_a_day: messages.sms.daily_ceiling,
        range_digits: messages.sms.range_digits,
        texts_an_hour_to_a_range: messages.sms.range_hourly_ceiling,
        texts_a_day_to_a_range: messages.sms.range_daily_ceiling,
        notice_mails_a_day: messages.email.notice_daily_ceiling,
        notice_texts_a_day: messages.sms.notice_daily_ceiling,
        notice_texts_a_day_to_a_range: messages.sms.notice_range_daily_ceiling,
    }
}

fn templates(
    config: &Config,
    public_url: &str,
    found: &mut Vec<Mistake>,
) -> Option<Arc<dyn LetterWriter>> {
    let messages = &config.messages;
    let page = |url: &Option<Url>, default: &str| {
        let url = url.as_ref().map(ToString::to_string);
        url.unwrap_or_else(|| format!("{public_url}{default}"))
    };
    let loaded = Templates::load(TemplateConfig {
        product: messages.product.clone(),
        support: messages.support.clone(),
        default_language: messages.default_language.clone(),
        reset_page: page(&messages.reset_page_url, "/reset-password"),
        notice_page: page(&messages.notice_page_url, "/notice"),
        providers: providers::labels(config),
        folder: messages.templates_dir.clone(),
    });
    match loaded {
        Ok(templates) => Some(Arc::new(templates)),
        Err(mistakes) => {
            found.extend(mistakes.into_iter().map(|mistake| {
                // The mistake is in the default language, or in a file of the folder.
                let setting = if mistake.file == messages.default_language {
                    "messages.default_language"
                } else {
                    "messages.templates_dir"
                };
                config.mistake(setting, mistake.to_string())
            }));
            None
        }
    }
}

fn providers(config: &Config, found: &mut Vec<Mistake>) -> Sender {
    let email = match config.messages.email.provider {
        Some(EmailProvider::Smtp) => smtp(config, found),
        Some(EmailProvider::Nobody) | None => None,
    };
    let sms = &config.messages.sms;
    let sms = match sms.provider {
        Some(SmsProvider::Http) => gateway(config, sms, found),
        Some(SmsProvider::Twilio) => twilio(config, sms, found),
        Some(SmsProvider::Nobody) | None => None,
    };
    Arc::new(ByChannel { email, sms })
}

fn smtp(config: &Config, found: &mut Vec<Mistake>) -> Option<Sender> {
    smtp_sender(config, found).map(|sender| Arc::new(sender) as Sender)
}

/// The configured mail server, for checks of its connection.
pub(crate) fn mail_server(config: &Config) -> Result<Option<SmtpSender>, Mistakes> {
    let mut found = Vec::new();
    let is_smtp = config.messages.email.provider == Some(EmailProvider::Smtp);
    let sender = is_smtp.then(|| smtp_sender(config, &mut found)).flatten();
    Mistakes::none_in(found).map(|()| sender)
}

/// The gateway for text messages.
pub(crate) fn gateway_of_texts(config: &Config) -> Option<Url> {
    let sms = &config.messages.sms;
    let url = sms.url.as_ref().map(|url| url.0.clone());
    match sms.provider {
        Some(SmsProvider::Http) => url,
        Some(SmsProvider::Twilio) => url.or_else(|| TWILIO.parse().ok()),
        Some(SmsProvider::Nobody) | None => None,
    }
}

/// Checks that the templates can be used.
pub(crate) fn check_templates(config: &Config) -> Result<(), Mistakes> {
    let mut found = Vec::new();
    templates(config, "https://auth.example.com", &mut found);
    Mistakes::none_in(found)
}

fn smtp_sender(config: &Config, found: &mut Vec<Mistake>) -> Option<SmtpSender> {
    let messages = &config.messages;
    let smtp = &messages.email.smtp;
    let ca_pem = authorities(
        config,
        "messages.smtp.ca_file",
        smtp.ca_file.as_ref(),
        found,
    );
    let from_name = smtp.from_name.as_ref();
    let sender = SmtpSender::new(SmtpConfig {
        host: smtp.host.clone()?,
        port: smtp.port,
        security: smtp.security,
        credentials: smtp.username.clone().zip(smtp.password.clone()),
        ehlo_name: smtp.ehlo_name.clone().or_else(|| {
            let public_url = config.http.public_url.as_ref()?;
            public_url.host_str().map(ToOwned::to_owned)
        }),
        from: smtp.from.clone()?,
        sender_name: from_name.unwrap_or(&messages.product).clone(),
        timeout: smtp.timeout,
        ca_pem,
        connections: smtp.connections,
    });
    usable(config, "messages.smtp", sender, found)
}

fn gateway(config: &Config, sms: &SmsSettings, found: &mut Vec<Mistake>) -> Option<Sender> {
    let ca_pem = authorities(config, "messages.sms.ca_file", sms.ca_file.as_ref(), found);
    let sender = HttpGateway::new(GatewayConfig {
        url: sms.url.clone()?,
        token: sms.token.clone(),
        from: sms.from.clone(),
        body: sms.body.clone(),
        timeout: sms.timeout,
        ca_pem,
    });
    made(config, "messages.sms", sender, found)
}

fn twilio(config: &Config, sms: &SmsSettings, found: &mut Vec<Mistake>) -> Option<Sender> {
    let ca_pem = authorities(config, "messages.sms.ca_file", sms.ca_file.as_ref(), found);
    let sender = Twilio::new(TwilioConfig {
        base: sms
            .url
            .clone()
            .or_else(|| TWILIO.parse().ok().map(GatewayUrl))?,
        account_sid: sms.account_sid.clone()?,
        auth_token: sms.auth_token.clone()?,
        from: sms.from.clone()?,
        timeout: sms.timeout,
        ca_pem,
    });
    made(config, "messages.sms", sender, found)
}

fn made<S: MessageSender + 'static, E: std::error::Error>(
    config: &Config,
    section: &str,
    sender: Result<S, E>,
    found: &mut Vec<Mistake>,
) -> Option<Sender> {
    usable(config, section, sender, found).map(|sender| Arc::new(sender) as Sender)
}

fn usable<S, E: std::error::Error>(
    config: &Config,
    section: &str,
    sender: Result<S, E>,
    found: &mut Vec<Mistake>,
) -> Option<S> {
    match sender {
        Ok(sender) => Some(sender),
        Err(error) => {
            found.push(config.mistake(section, error.to_string()));
            None
        }
    }
}

fn authorities(
    config: &Config,
    setting: &str,
    file: Option<&PathBuf>,
    found: &mut Vec<Mistake>,
) -> Option<Vec<u8>> {
    let read = fs::read(file?);
    read.map_err(|error| found.push(config.mistake(setting, format!("cannot be read: {error}"))))
        .ok()
}
