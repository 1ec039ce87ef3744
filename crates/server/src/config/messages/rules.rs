//! Conflicts between settings of messages.

use adapters_messaging::SmtpSecurity;

use super::{EmailProvider, SenderChoice, SmsProvider, SmsSettings, SmtpSettings};
use crate::config::{
    Config,
    mistake::Place,
    transport::{is_this_machine, leads_to_this_machine},
};

type Refuse<'a> = dyn FnMut(&'static str, &str) + 'a;

impl Config {
    /// Reports conflicts between settings of messages that are valid on their own.
    pub(in crate::config) fn check_messages(&self, refuse: &mut Refuse<'_>) {
        let messages = &self.messages;
        if self.is_production() {
            self.refuse_what_reaches_nobody(refuse);
        }
        if !messages.reaches_people() {
            return;
        }
        let said = |names| format!("must be set when messages.sender is providers: {names}");
        match messages.email.provider {
            None => self.need(
                "messages.email.provider",
                true,
                &said("smtp or none"),
                refuse,
            ),
            Some(EmailProvider::Smtp) => self.check_smtp(&messages.email.smtp, refuse),
            Some(EmailProvider::Nobody) => {}
        }
        match messages.sms.provider {
            None => {
                let reason = said("http, twilio or none");
                self.need("messages.sms.provider", true, &reason, refuse);
            }
            Some(SmsProvider::Http) => self.check_gateway(&messages.sms, refuse),
            Some(SmsProvider::Twilio) => self.check_twilio(&messages.sms, refuse),
            Some(SmsProvider::Nobody) => {
                if messages.email.provider == Some(EmailProvider::Nobody) {
                    let reason = "must not be none together with messages.email.provider: say \
                                  messages.sender none instead";
                    refuse("messages.sms.provider", reason);
                }
            }
        }
    }

    fn refuse_what_reaches_nobody(&self, refuse: &mut Refuse<'_>) {
        let messages = &self.messages;
        match messages.sender {
            Some(SenderChoice::Providers | SenderChoice::Nobody) => {}
            Some(SenderChoice::Mailbox) => {
                let reason = "must not be mailbox in production mode: it shows everybody's codes";
                refuse("messages.sender", reason);
            }
            None => {
                let reason = "must be set in production mode: providers, or none, with which nobody \
                              gets a code and messages stay queued";
                refuse("messages.sender", reason);
            }
        }
        for (setting, url) in [
            ("messages.reset_page_url", &messages.reset_page_url),
            ("messages.notice_page_url", &messages.notice_page_url),
        ] {
            match url {
                None if messages.sender != Some(SenderChoice::Nobody) => {
                    refuse(setting, "must be set in production mode");
                }
                Some(url) if url.scheme() != "https" => {
                    refuse(setting, "must begin with https:// in production mode");
                }
                _ => {}
            }
        }
    }

    /// Refuses a required setting that was not set; an invalid value was refused before.
    fn need(&self, setting: &'static str, absent: bool, reason: &str, refuse: &mut Refuse<'_>) {
        if absent && self.places.of(setting) == Place::Unset {
            refuse(setting, reason);
        }
    }

    fn check_smtp(&self, smtp: &SmtpSettings, refuse: &mut Refuse<'_>) {
        let needed = "must be set when messages.email.provider is smtp";
        self.need("messages.smtp.host", smtp.host.is_none(), needed, refuse);
        self.need("messages.smtp.from", smtp.from.is_none(), needed, refuse);
        let (user, password) = (smtp.username.is_some(), smtp.password.is_some());
        let reason = "must be set together with messages.smtp.username";
        self.need("messages.smtp.password", user && !password, reason, refuse);
        let reason = "must be set together with messages.smtp.password";
        self.need("messages.smtp.username", password && !user, reason, refuse);
        if smtp.security == SmtpSecurity::None {
            let host = smtp.host.as_deref().unwrap_or_default();
            if self.is_production() {
                let reason = "must be tls or starttls in production mode";
                refuse("messages.smtp.security", reason);
            } else if !is_this_machine(host) {
                let reason = "must be tls or starttls for a server that is not on this machine";
                refuse("messages.smtp.security", reason);
            }
        }
    }

    fn check_gateway(&self, sms: &SmsSettings, refuse: &mut Refuse<'_>) {
        let reason = "must be set when messages.sms.provider is http";
        self.need("messages.sms.url", sms.url.is_none(), reason, refuse);
        let has_no_from = sms.body.needs_from() && sms.from.is_none();
        let reason = "must be set when messages.sms.body has {from}";
        self.need("messages.sms.from", has_no_from, reason, refuse);
        self.check_url(sms, refuse);
    }

    fn check_twilio(&self, sms: &SmsSettings, refuse: &mut Refuse<'_>) {
        let needed = "must be set when messages.sms.provider is twilio";
        let (account, token) = (&sms.account_sid, &sms.auth_token);
        self.need(
            "messages.sms.account_sid",
            account.is_none(),
            needed,
            refuse,
        );
        self.need("messages.sms.auth_token", token.is_none(), needed, refuse);
        self.need("messages.sms.from", sms.from.is_none(), needed, refuse);
        self.check_url(sms, refuse);
    }

    fn check_url(&self, sms: &SmsSettings, refuse: &mut Refuse<'_>) {
        let url = sms.url.as_ref().map(|url| &url.0);
        let in_clear = url.filter(|url| url.scheme() != "https");
        if let Some(url) = in_clear {
            if self.is_production() {
                let reason = "must begin with https:// in production mode";
                refuse("messages.sms.url", reason);
            } else if !leads_to_this_machine(url) {
                let reason = "must begin with https:// for a gateway that is not on this machine";
                refuse("messages.sms.url", reason);
            }
        }
    }
}
