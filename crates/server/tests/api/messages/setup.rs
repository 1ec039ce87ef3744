//! A service with providers.

use std::time::Duration;

use adapters_messaging::{GatewayUrl, SmtpSecurity};
use serde_json::json;
use server::config::{Config, EmailProvider, SenderChoice, SmsProvider};
use testkit::{
    Engine,
    servers::{MailServer, ReceivedRequest, SmsGateway},
};

use crate::{app::TestApp, person::PASSWORD};

/// How long a provider may take. No test waits for it to pass.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Sends text messages through this gateway, and no mail.
pub(crate) fn through_gateway(gateway: &SmsGateway) -> impl Fn(&mut Config) + use<> {
    let url = gateway.url();
    move |config| {
        config.messages.sender = Some(SenderChoice::Providers);
        config.messages.email.provider = Some(EmailProvider::Nobody);
        config.messages.sms.provider = Some(SmsProvider::Http);
        config.messages.sms.url = Some(GatewayUrl(url.parse().expect("a URL")));
        config.messages.sms.timeout = TIMEOUT;
    }
}

/// Sends mail through this server, which takes clear text.
pub(crate) fn through_server(server: &MailServer) -> impl Fn(&mut Config) + use<> {
    let port = server.port();
    move |config| {
        config.messages.sender = Some(SenderChoice::Providers);
        config.messages.sms.provider = Some(SmsProvider::Nobody);
        config.messages.email.provider = Some(EmailProvider::Smtp);
        let smtp = &mut config.messages.email.smtp;
        smtp.host = Some("localhost".to_owned());
        smtp.port = port;
        smtp.security = SmtpSecurity::None;
        smtp.from = Some("no-reply@shop.example".to_owned());
        smtp.timeout = TIMEOUT;
    }
}

/// A service that sends text messages through this gateway.
pub(crate) async fn with_gateway(engine: Engine, gateway: &SmsGateway) -> TestApp {
    TestApp::start_with(engine, through_gateway(gateway)).await
}

impl TestApp {
    /// A number nobody else in this test has.
    pub(crate) fn fresh_number(&self) -> String {
        format!("+23480{:08}", self.next_number())
    }

    /// Asks for an account, and gives the id of its challenge.
    pub(crate) async fn ask(&self, identifier: &str) -> String {
        let answer = self.ask_to_register(identifier, PASSWORD).await;
        answer.assert_status(202);
        answer.text_of("/challenge_id")
    }

    /// Has the worker look at once, by something that leads to no message.
    pub(crate) async fn wake_worker(&self) {
        let body = json!({"identifier": format!("nobody-{}@example.com", self.next_number())});
        let answer = self.post("/api/v1/auth/password/reset", &body).await;
        answer.assert_status(202);
    }

    /// Moves the clock on and has the worker look.
    pub(crate) async fn pass_seconds(&self, seconds: i64) {
        self.advance_seconds(seconds);
        self.wake_worker().await;
    }

    /// Waits until the gateway has got so many requests, and hands them over.
    pub(crate) async fn requests_at(
        &self,
        gateway: &SmsGateway,
        count: usize,
    ) -> Vec<ReceivedRequest> {
        self.until(&format!("request {count} arrives"), async || {
            gateway.requests().len() >= count
        })
        .await;
        gateway.requests()
    }

    /// Waits until no worker holds a message: what was tried is written down.
    pub(crate) async fn until_nothing_is_held(&self) {
        self.until("every message is given back", async || {
            self.count("outbox_messages WHERE lease_id IS NOT NULL")
                .await
                == 0
        })
        .await;
    }

    /// Messages that wait for a person.
    pub(crate) async fn parked(&self) -> i64 {
        self.count("outbox_messages WHERE next_attempt_at IS NULL")
            .await
    }

    /// Tries a code, which is right.
    pub(crate) async fn prove(&self, challenge: &str, code: &str) {
        self.verify(challenge, code).await.assert_status(201);
    }
}

/// To whom a request to the gateway is, and what.
pub(crate) fn text_in(request: &ReceivedRequest) -> (String, String) {
    let body: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
    let text = |name: &str| body[name].as_str().expect("a text").to_owned();
    (text("to"), text("text"))
}

/// The code in a request to the gateway.
pub(crate) fn code_in(request: &ReceivedRequest) -> String {
    let (_, text) = text_in(request);
    text.split(' ').next().expect("a code").to_owned()
}
