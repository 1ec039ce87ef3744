//! The service under test, spoken to with values that are nowhere else.

use std::{
    net::Ipv6Addr,
    sync::{Mutex, PoisonError},
};

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use testkit::Engine;

use super::{
    places::{self, Place},
    secrets::{Kind, Secrets, unique},
};
use crate::{
    answer::Answer,
    app::{TestApp, wrong_code},
    person::Tokens,
};

/// The service, and everything that was typed into it or handed out by it.
pub(crate) struct Run {
    pub(crate) engine: Engine,
    pub(crate) app: TestApp,
    pub(crate) secrets: Secrets,
    redis: Mutex<Vec<Place>>,
}

/// A registered person.
pub(crate) struct Somebody {
    pub(crate) identifier: String,
    pub(crate) password: String,
    pub(crate) tokens: Tokens,
    pub(crate) device_token: String,
    /// Messages they got so far.
    pub(crate) messages: usize,
}

impl Run {
    pub(crate) async fn start(engine: Engine) -> Self {
        let app = TestApp::start_with(engine, |settings| {
            settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        Self {
            engine,
            app,
            secrets: Secrets::default(),
            redis: Mutex::default(),
        }
    }

    // --- values

    pub(crate) fn email(&self) -> String {
        let local = self.secrets.make("the local part of an address");
        let domain = self.secrets.make("the domain of an address");
        format!("{local}@{domain}.Example.com")
    }

    pub(crate) fn phone(&self) -> String {
        let digits = u64::from_str_radix(&unique(), 16).unwrap() % 100_000_000;
        let digits = format!("80{digits:08}");
        self.secrets.note(Kind::Unique, "a number", &digits);
        format!("+234{digits}")
    }

    pub(crate) fn password(&self) -> String {
        format!("{}-Harbour", self.secrets.make("a password"))
    }

    pub(crate) fn name(&self) -> String {
        format!("Ada {}", self.secrets.make("a name"))
    }

    // --- requests

    /// From an address and with a user agent that no other request has.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let random = u64::from_str_radix(&unique(), 16).unwrap();
        let [a, b, c, d, ..] = random.to_be_bytes();
        let (third, fourth) = (
            u16::from_be_bytes([a | 0x10, b]),
            u16::from_be_bytes([c | 0x10, d]),
        );
        let address = Ipv6Addr::new(0x2001, 0xdb8, third, fourth, 0, 0, 0, 7).to_string();
        let network = format!("2001:db8:{third:x}:{fourth:x}");
        self.secrets
            .note(Kind::Unique, "an address on the network", &network);
        let agent = self.secrets.make("a user agent");
        self.app
            .request(method, path)
            .header("User-Agent", format!("{agent}/5.0 (X11; Linux x86_64)"))
            .header("X-Forwarded-For", address)
    }

    /// Sends, and notes every secret in the answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = self.app.send(request).await;
        if let Ok(body) = serde_json::from_str(&answer.text) {
            self.secrets.collect(&body);
        }
        answer
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("POST", path).json(&body)).await
    }

    pub(crate) async fn send_as(
        &self,
        access_token: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        let request = self.request(method, path).bearer_auth(access_token);
        self.send(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
        .await
    }

    pub(crate) async fn verify(&self, challenge: &str, code: &str) -> Answer {
        self.post(
            "/api/v1/auth/verify-otp",
            json!({"challenge_id": challenge, "code": code}),
        )
        .await
    }

    pub(crate) async fn log_in(&self, identifier: &str, password: &str) -> Answer {
        self.post(
            "/api/v1/auth/login",
            json!({"identifier": identifier, "password": password}),
        )
        .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post(
            "/api/v1/auth/token/refresh",
            json!({"refresh_token": token}),
        )
        .await
    }

    /// Waits for the next message.
    pub(crate) async fn message(&self, to: &str, number: usize) -> Value {
        let messages = self.app.messages_to(to, number).await;
        let messages = Value::from(messages);
        self.secrets.collect(&messages);
        messages[0].clone()
    }

    pub(crate) async fn code(&self, to: &str, number: usize) -> String {
        let messages = Value::from(self.app.codes_to(to, number).await);
        self.secrets.collect(&messages);
        messages[0]["code"].as_str().expect("a code").to_owned()
    }

    pub(crate) fn wrong_code(&self, code: &str) -> String {
        let wrong = wrong_code(code);
        self.secrets.note(Kind::Code, "a wrong code", &wrong);
        wrong
    }

    /// Keeps what is there now for later: most of it will be gone.
    pub(crate) fn look_into_redis(&self) {
        if self.engine == Engine::Production {
            let seen = places::redis(self.app.redis_prefix());
            self.redis
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(seen);
        }
    }

    pub(crate) fn seen_in_redis(&self) -> Vec<Place> {
        std::mem::take(&mut self.redis.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) async fn somebody(&self) -> Somebody {
        self.registered(self.email()).await
    }

    pub(crate) async fn registered(&self, identifier: String) -> Somebody {
        let password = self.password();
        let field = if identifier.contains('@') {
            "email"
        } else {
            "phone"
        };
        let body = json!({field: identifier, "password": password, "display_name": self.name()});
        let challenge = self.post("/api/v1/auth/register", body).await;
        challenge.assert_status(202);
        let code = self.code(&identifier, 1).await;
        let answer = self
            .verify(&challenge.text_of("/challenge_id"), &code)
            .await;
        answer.assert_status(201);
        Somebody {
            identifier,
            password,
            tokens: Tokens::of(&answer),
            device_token: answer.text_of("/device_token"),
            messages: 1,
        }
    }
}
