//! Second factors: setting one up, being asked for it on every way in, and proving it once.

mod changes;
mod oathtool;
mod recent_sign_in;
mod sign_in;
mod walks;

use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::{
    answer::Answer,
    app::TestApp,
    person::{Person, Tokens},
};

/// A person with an authenticator app.
pub(crate) struct Secured {
    pub(crate) person: Person,
    /// What the app knows.
    app: Totp,
    pub(crate) recovery_codes: Vec<String>,
}

impl Secured {
    /// What the app shows so many steps from now, by the clock of the service.
    pub(crate) fn code_in(&self, service: &TestApp, steps: i64) -> String {
        let seconds = service.now().unix_timestamp() + 30 * steps;
        self.app.generate(seconds.try_into().unwrap()).to_string()
    }

    pub(crate) fn code(&self, service: &TestApp) -> String {
        self.code_in(service, 0)
    }
}

/// An authenticator app that was told a secret in Base32.
pub(crate) fn authenticator(secret: &str) -> Totp {
    let secret = Secret::try_from_base32(secret).unwrap();
    Builder::new().with_secret(secret).build().unwrap()
}

impl TestApp {
    /// Registers a person and sets an authenticator app up. The step in which it was confirmed has passed.
    pub(crate) async fn secured_person(&self) -> Secured {
        let person = self.register_person().await;
        self.secure(person).await
    }

    pub(crate) async fn secure(&self, person: Person) -> Secured {
        let enrolment = self.begin_totp(&person).await;
        let app = authenticator(&enrolment.text_of("/secret"));
        let mut secured = Secured {
            person,
            app,
            recovery_codes: Vec::new(),
        };
        let confirmed = self
            .confirm_totp(&secured.person, &secured.code(self))
            .await;
        confirmed.assert_status(200);
        secured.person.tokens = Tokens::of(&confirmed);
        let codes = confirmed.data()["recovery_codes"].clone();
        secured.recovery_codes = serde_json::from_value(codes).unwrap();
        self.advance_seconds(60);
        secured
    }

    pub(crate) async fn begin_totp(&self, person: &Person) -> Answer {
        let path = "/api/v1/me/mfa/totp";
        let begun = self.post_as(&person.tokens.access, path, &json!({})).await;
        begun.assert_status(200);
        begun
    }

    /// Begins to set another app up, and hands over the request that confirms it.
    pub(crate) async fn next_totp(&self, access: &str) -> reqwest::RequestBuilder {
        let path = "/api/v1/me/mfa/totp";
        let begun = self.post_as(access, path, &json!({})).await;
        begun.assert_status(200);
        let app = authenticator(&begun.text_of("/secret"));
        let now = self.now().unix_timestamp().try_into().unwrap();
        let body = json!({"code": app.generate(now).to_string()});
        self.post_request("/api/v1/me/mfa/totp/confirm", &body)
            .bearer_auth(access)
    }

    pub(crate) async fn confirm_totp(&self, person: &Person, code: &str) -> Answer {
        let (path, body) = ("/api/v1/me/mfa/totp/confirm", json!({"code": code}));
        self.post_as(&person.tokens.access, path, &body).await
    }

    /// Proves the first factor, and hands over the challenge.
    pub(crate) async fn challenge_of(&self, person: &Person) -> String {
        let asked = self.log_in(&person.identifier, &person.password).await;
        asked.assert_status(200);
        assert_eq!(asked.data()["status"], "mfa_required", "{asked:?}");
        asked.text_of("/challenge_id")
    }

    pub(crate) async fn second_step(&self, challenge: &str, method: &str, code: &str) -> Answer {
        self.second_step_with(challenge, method, code, json!({}))
            .await
    }

    pub(crate) async fn second_step_with(
        &self,
        challenge: &str,
        method: &str,
        code: &str,
        more: Value,
    ) -> Answer {
        let mut body = json!({"challenge_id": challenge, "method": method, "code": code});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.post("/api/v1/auth/mfa/verify", &body).await
    }

    /// Proves a factor in the person's session, which goes on with the tokens of the answer.
    pub(crate) async fn confirm(&self, person: &mut Person, proof: &Value) {
        let proven = self.reauthenticate(&person.tokens.access, proof).await;
        proven.assert_status(200);
        person.tokens = Tokens::of(&proven);
    }

    pub(crate) async fn reauthenticate(&self, access_token: &str, body: &Value) -> Answer {
        self.post_as(access_token, "/api/v1/auth/reauthenticate", body)
            .await
    }
}
