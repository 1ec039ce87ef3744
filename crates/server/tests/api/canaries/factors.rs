//! Flows with a second factor.

use serde_json::{Value, json};

use super::run::Run;
use crate::{person::Tokens, second_factors::authenticator};

impl Run {
    pub(super) async fn using_a_second_factor(&self) {
        let person = self.somebody().await;
        let access = &person.tokens.access;
        let enrolment = self
            .send_as(access, "POST", "/api/v1/me/mfa/totp", Value::Null)
            .await;
        let app = authenticator(&enrolment.text_of("/secret"));
        let code = || {
            let now = self.app.now().unix_timestamp().try_into().unwrap();
            let code = app.generate(now).to_string();
            self.secrets.note_code(&code);
            code
        };
        let (path, right) = ("/api/v1/me/mfa/totp/confirm", code());
        let wrong = json!({"code": self.wrong_code(&right)});
        self.send_as(access, "POST", path, wrong)
            .await
            .assert_problem(401, "invalid_code");
        let confirmed = self
            .send_as(access, "POST", path, json!({"code": right}))
            .await;
        confirmed.assert_status(200);
        let recovery = confirmed.text_of("/recovery_codes/0");
        let access = &Tokens::of(&confirmed).access;
        self.app.advance_seconds(60);

        let again = json!({"method": "totp", "code": code()});
        self.send_as(access, "POST", "/api/v1/auth/reauthenticate", again)
            .await
            .assert_status(200);
        self.app.advance_seconds(60);
        for (method, proof) in [("totp", code()), ("recovery_code", recovery)] {
            let asked = self.log_in(&person.identifier, &person.password).await;
            let challenge = asked.text_of("/challenge_id");
            let prove = |proof: &str| {
                let body = json!({"challenge_id": challenge, "method": method, "code": proof});
                self.post("/api/v1/auth/mfa/verify", body)
            };
            if method == "totp" {
                prove(&self.wrong_code(&proof))
                    .await
                    .assert_problem(401, "invalid_code");
            }
            prove(&proof).await.assert_status(200);
            prove(&proof).await.assert_problem(401, "invalid_code");
        }
        let asked = self.log_in(&person.identifier, &person.password).await;
        let challenge = asked.text_of("/challenge_id");
        self.post("/api/v1/auth/mfa/otp", json!({"challenge_id": challenge}))
            .await
            .assert_status(202);
        let sent = self.code(&person.identifier, 2).await;
        let body = json!({"challenge_id": challenge, "method": "otp", "code": sent});
        self.post("/api/v1/auth/mfa/verify", body)
            .await
            .assert_status(200);
        self.look_into_redis();
    }
}
