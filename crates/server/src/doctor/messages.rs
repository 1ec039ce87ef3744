//! The mail server and the text message gateway. Nothing is sent.

use super::{Finding, in_time, network::Address};
use crate::{
    config::{Config, Mistakes, SenderChoice},
    wire,
};

const CHECK: &str = "messages";
const MAIL: &str = "mail";
const TEXTS: &str = "text messages";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(mistakes) = wire::check_templates(config) {
        findings.push(
            Finding::fails(CHECK, told(&mistakes))
                .do_this("correct the templates, or take them out"),
        );
    }
    match config.messages.sender {
        Some(SenderChoice::Providers) => {
            let (mail, texts) = tokio::join!(
                in_time(MAIL, None, look_at_mail(config)),
                in_time(TEXTS, None, look_at_texts(config)),
            );
            findings.extend(mail);
            findings.extend(texts);
        }
        Some(SenderChoice::Mailbox) => {
            findings.push(Finding::ok(CHECK, "they are shown at /dev/mailbox"));
        }
        // The configuration already warns that messages reach nobody.
        Some(SenderChoice::Nobody) | None => {}
    }
    findings
}

async fn look_at_mail(config: &Config) -> Option<Finding> {
    let advice = "check messages.smtp: host, port, security, user name and password; codes and \
                  notices by mail wait meanwhile";
    let server = match wire::mail_server(config) {
        Ok(server) => server?,
        Err(mistakes) => return Some(Finding::fails(MAIL, told(&mistakes)).do_this(advice)),
    };
    let smtp = &config.messages.email.smtp;
    let address = Address::new(smtp.host.as_deref().unwrap_or_default(), smtp.port);
    if let Some(trouble) = address.trouble().await {
        return Some(Finding::fails(MAIL, trouble).do_this(advice));
    }
    Some(match server.check().await {
        Ok(()) => Finding::ok(MAIL, "the server takes our mail"),
        Err(error) => {
            Finding::fails(MAIL, format!("the server listens, and {error}")).do_this(advice)
        }
    })
}

async fn look_at_texts(config: &Config) -> Option<Finding> {
    let url = wire::gateway_of_texts(config)?;
    let port = url.port_or_known_default().unwrap_or(443);
    let address = Address::new(url.host_str().unwrap_or_default(), port);
    Some(match address.trouble().await {
        // Whether the gateway accepts the token shows only with the first message: its API has no request without
        // one.
        None => Finding::ok(TEXTS, "the gateway listens"),
        Some(trouble) => Finding::fails(TEXTS, trouble)
            .do_this("check messages.sms.url; codes by text message wait meanwhile"),
    })
}

fn told(mistakes: &Mistakes) -> String {
    let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    all.join("; ")
}
