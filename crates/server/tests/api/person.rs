//! People who use the service in tests.

use serde_json::{Value, json};

use crate::{answer::Answer, app::TestApp};

/// A password that the policy takes.
pub(crate) const PASSWORD: &str = "lilac-Harbour-42-zeppelin";
/// Another one.
pub(crate) const OTHER_PASSWORD: &str = "copper-Meadow-77-obelisk";

/// A registered person, with what their client holds.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) identifier: String,
    pub(crate) password: String,
    pub(crate) id: String,
    pub(crate) tokens: Tokens,
    pub(crate) device_token: String,
}

/// What a client holds of a session.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: String,
}

impl Tokens {
    /// From an answer whose `data` has `tokens`, or is them.
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        let data = answer.data();
        let tokens = data.get("tokens").unwrap_or(&data);
        let text = |name: &str| {
            let value = tokens[name].as_str();
            value
                .unwrap_or_else(|| panic!("no {name}: {answer:?}"))
                .to_owned()
        };
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            session: text("session_id"),
        }
    }
}

impl Person {
    /// From the answer that signed them in.
    #[track_caller]
    pub(crate) fn signed_in(identifier: &str, password: &str, answer: &Answer) -> Self {
        Self {
            identifier: identifier.to_owned(),
            password: password.to_owned(),
            id: answer.text_of("/user/id"),
            tokens: Tokens::of(answer),
            device_token: answer.text_of("/device_token"),
        }
    }

    /// The body of a sign-in with their password.
    pub(crate) fn credentials(&self) -> Value {
        json!({"identifier": self.identifier, "password": self.password})
    }
}

impl TestApp {
    /// An address nobody else in this test has.
    pub(crate) fn fresh_email(&self) -> String {
        format!("person-{}@example.com", self.next_number())
    }

    /// Registers a person by email, proves the code, and hands over what their client holds.
    pub(crate) async fn register_person(&self) -> Person {
        let email = self.fresh_email();
        self.register_as(&email, PASSWORD).await
    }

    /// Registers whoever has the identifier.
    pub(crate) async fn register_as(&self, identifier: &str, password: &str) -> Person {
        let challenge = self.ask_to_register(identifier, password).await;
        challenge.assert_status(202);
        let code = self.code_sent_to(identifier).await;
        let body = json!({"challenge_id": challenge.text_of("/challenge_id"), "code": code});
        let answer = self.post("/api/v1/auth/verify-otp", &body).await;
        answer.assert_status(201);
        Person::signed_in(identifier, password, &answer)
    }

    /// Asks for an account.
    pub(crate) async fn ask_to_register(&self, identifier: &str, password: &str) -> Answer {
        let field = if identifier.contains('@') {
            "email"
        } else {
            "phone"
        };
        let body = json!({field: identifier, "password": password});
        self.post("/api/v1/auth/register", &body).await
    }

    /// Signs in with a password, from a device that is not known.
    pub(crate) async fn log_in(&self, identifier: &str, password: &str) -> Answer {
        let body = json!({"identifier": identifier, "password": password});
        self.post("/api/v1/auth/login", &body).await
    }

    /// Signs in with a password and a device token.
    pub(crate) async fn log_in_from(
        &self,
        device_token: &str,
        identifier: &str,
        password: &str,
    ) -> Answer {
        let body = json!({"identifier": identifier, "password": password});
        self.send(
            self.request("POST", "/api/v1/auth/login")
                .header("X-Device-Token", device_token)
                .json(&body),
        )
        .await
    }

    /// Uses a refresh token.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        let body = json!({"refresh_token": refresh_token});
        self.post("/api/v1/auth/token/refresh", &body).await
    }

    /// Uses a refresh token on a device.
    pub(crate) async fn refresh_from(&self, device_token: &str, refresh_token: &str) -> Answer {
        let body = json!({"refresh_token": refresh_token});
        let request = self.post_request("/api/v1/auth/token/refresh", &body);
        self.send(request.header("X-Device-Token", device_token))
            .await
    }

    /// One's own account.
    pub(crate) async fn me(&self, access_token: &str) -> Answer {
        self.get_as(access_token, "/api/v1/me").await
    }
}
