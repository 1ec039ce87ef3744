//! Every flow of the API as people walk it, with every wrong turn.

use serde_json::{Value, json};

use super::run::{Run, Somebody};
use crate::{answer::Answer, person::Tokens};

impl Run {
    pub(crate) async fn every_flow(&self) {
        self.registering().await;
        self.registering_by_phone().await;
        self.signing_in().await;
        self.refreshing().await;
        self.changing_the_profile().await;
        self.ending_sessions().await;
        self.changing_the_password().await;
        self.resetting_by_code().await;
        self.resetting_by_link().await;
        self.being_locked_out().await;
        self.changing_the_identifier_and_taking_it_back().await;
        Box::pin(self.using_a_second_factor()).await;
        Box::pin(self.using_passkeys()).await;
    }

    async fn registering(&self) {
        let (email, key) = (self.email(), self.secrets.make("an idempotency key"));
        let body = json!({
            "email": email, "password": self.password(), "role": "vendor",
            "display_name": self.name(), "country": "ng",
        });
        let ask = |body: &Value| {
            let request = self.request("POST", "/api/v1/auth/register");
            self.send(request.header("Idempotency-Key", &key).json(body))
        };
        let challenge = ask(&body).await;
        challenge.assert_status(202);
        ask(&body).await.assert_status(202);
        let other = json!({"email": email, "password": self.password()});
        ask(&other)
            .await
            .assert_problem(422, "idempotency_key_reused");

        let challenge = challenge.text_of("/challenge_id");
        let first = self.code(&email, 1).await;
        self.verify(&challenge, &self.wrong_code(&first))
            .await
            .assert_problem(401, "invalid_code");
        let resend = json!({"challenge_id": challenge});
        self.post("/api/v1/auth/resend-otp", resend.clone())
            .await
            .assert_status(202);
        self.app.advance_seconds(61);
        self.post("/api/v1/auth/resend-otp", resend)
            .await
            .assert_status(202);
        let second = self.code(&email, 2).await;
        self.verify(&challenge, &second).await.assert_status(201);
        self.verify(&challenge, &second)
            .await
            .assert_problem(401, "invalid_code");

        // The owner gets a notice when somebody asks for an account with their address.
        self.app.advance_seconds(61);
        self.post("/api/v1/auth/register", other)
            .await
            .assert_status(202);
        assert!(self.message(&email, 3).await["code"].is_null());
        // An attempt that nobody comes back to.
        let left = json!({"email": self.email(), "password": self.password(), "display_name": self.name()});
        self.post("/api/v1/auth/register", left)
            .await
            .assert_status(202);
        self.look_into_redis();
    }

    async fn registering_by_phone(&self) {
        let person = self.registered(self.phone()).await;
        self.log_in(&person.identifier, &person.password)
            .await
            .assert_status(200);
        self.log_in(&person.identifier, &self.password())
            .await
            .assert_problem(401, "invalid_credentials");
        let unknown = self.phone();
        self.log_in(&unknown, &self.password())
            .await
            .assert_problem(401, "invalid_credentials");
        self.app.advance_seconds(61);
        for path in ["/api/v1/auth/login/otp", "/api/v1/auth/password/reset"] {
            self.post(path, json!({"phone": person.identifier}))
                .await
                .assert_status(202);
            self.post(path, json!({"identifier": unknown}))
                .await
                .assert_status(202);
        }
        self.code(&person.identifier, 3).await;
        self.look_into_redis();
    }

    async fn signing_in(&self) {
        let person = self.somebody().await;
        let (identifier, password) = (&person.identifier, &person.password);
        self.log_in(identifier, &self.password())
            .await
            .assert_problem(401, "invalid_credentials");
        self.log_in(&self.email(), &self.password())
            .await
            .assert_problem(401, "invalid_credentials");
        self.log_in(&identifier.to_uppercase(), password)
            .await
            .assert_status(200);
        for token in [
            person.device_token.clone(),
            self.secrets.make("a junk device token"),
        ] {
            let request = self
                .request("POST", "/api/v1/auth/login")
                .header("X-Device-Token", token);
            self.send(request.json(&json!({"email": identifier, "password": password})))
                .await
                .assert_status(200);
        }

        self.app.advance_seconds(61);
        let unknown = self
            .post(
                "/api/v1/auth/login/otp",
                json!({"identifier": self.email()}),
            )
            .await;
        let of_nobody = unknown.text_of("/challenge_id");
        self.verify(&of_nobody, "000000")
            .await
            .assert_problem(401, "invalid_code");
        let challenge = self
            .post("/api/v1/auth/login/otp", json!({"identifier": identifier}))
            .await;
        let challenge = challenge.text_of("/challenge_id");
        let code = self.code(identifier, 2).await;
        self.verify(&challenge, &self.wrong_code(&code))
            .await
            .assert_problem(401, "invalid_code");
        let signed_in = self.verify(&challenge, &code).await;
        signed_in.assert_status(200);
        let me = self
            .send_as(
                &Tokens::of(&signed_in).access,
                "GET",
                "/api/v1/me",
                Value::Null,
            )
            .await;
        me.assert_status(200);
        self.look_into_redis();
    }

    async fn refreshing(&self) {
        let person = self.somebody().await;
        let first = &person.tokens.refresh;
        let second = Tokens::of(&self.refresh(first).await);
        assert_eq!(
            Tokens::of(&self.refresh(first).await).refresh,
            second.refresh
        );
        let third = Tokens::of(&self.refresh(&second.refresh).await);
        self.send_as(&third.access, "GET", "/api/v1/me", Value::Null)
            .await
            .assert_status(200);
        let junk = self.secrets.make("a junk refresh token");
        let forged = first
            .rsplit_once('.')
            .map(|(start, _)| format!("{start}.{junk}"))
            .unwrap();
        for forged in [junk, forged, second.access] {
            self.refresh(&forged)
                .await
                .assert_problem(401, "invalid_refresh_token");
        }
        self.refresh(first)
            .await
            .assert_problem(401, "refresh_token_reused");
        self.refresh(&third.refresh)
            .await
            .assert_problem(401, "invalid_refresh_token");
        self.send_as(&third.access, "GET", "/api/v1/me", Value::Null)
            .await
            .assert_problem(401, "invalid_token");
        self.message(&person.identifier, 2).await;
        self.look_into_redis();
    }

    async fn changing_the_profile(&self) {
        let person = self.somebody().await;
        let change = |body: Value| self.send_as(&person.tokens.access, "PATCH", "/api/v1/me", body);
        for _ in 0..2 {
            let names = json!({
                "display_name": self.name(), "first_name": self.name(), "last_name": self.name(), "language": "fr",
            });
            change(names).await.assert_status(200);
        }
        change(json!({"first_name": null})).await.assert_status(200);
        change(json!({"last_name": format!("{}\u{0}", self.name())}))
            .await
            .assert_status(422);
        change(json!({"display_name": self.name().repeat(9)}))
            .await
            .assert_status(422);
        for field in ["country", "language"] {
            change(json!({field: self.secrets.make("a bad value")}))
                .await
                .assert_status(422);
        }
        change(json!({self.secrets.make("an unknown field"): 1}))
            .await
            .assert_status(400);
        self.send_as(&person.tokens.access, "GET", "/api/v1/me", Value::Null)
            .await
            .assert_status(200);
        self.look_into_redis();
    }

    async fn ending_sessions(&self) {
        let person = self.somebody().await;
        let mine = &person.tokens.access;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(Tokens::of(
                &self.log_in(&person.identifier, &person.password).await,
            ));
        }
        let listed = self
            .send_as(mine, "GET", "/api/v1/me/sessions?limit=2", Value::Null)
            .await
            .data();
        // What requests say of their sender is taken in: there is something to be found.
        let newest = &listed["items"][0];
        let network = newest["place"]["network"].as_str().expect("a network");
        assert!(network.starts_with("2001:db8:"), "{listed}");
        assert_eq!(newest["device"]["system"], "Linux", "{listed}");
        let one = format!("/api/v1/me/sessions/{}", others[0].session);
        self.send_as(mine, "DELETE", &one, Value::Null)
            .await
            .assert_status(200);
        self.send_as(
            &others[1].access,
            "POST",
            "/api/v1/auth/logout",
            Value::Null,
        )
        .await
        .assert_status(200);
        self.send_as(mine, "DELETE", "/api/v1/me/sessions", Value::Null)
            .await
            .assert_status(200);
        self.send_as(mine, "POST", "/api/v1/auth/logout-all", Value::Null)
            .await
            .assert_status(200);
        self.send_as(mine, "GET", "/api/v1/me", Value::Null)
            .await
            .assert_problem(401, "invalid_token");
        self.look_into_redis();
    }

    async fn changing_the_password(&self) {
        let person = self.somebody().await;
        let next = self.password();
        let change = |current: &str, new: &str| {
            let body = json!({"current_password": current, "new_password": new});
            self.send_as(
                &person.tokens.access,
                "POST",
                "/api/v1/auth/password/change",
                body,
            )
        };
        change(&self.password(), &next)
            .await
            .assert_problem(403, "invalid_current_password");
        let (local_part, _) = person.identifier.split_once('@').unwrap();
        for weak in [local_part, &self.password().repeat(20)] {
            change(&person.password, weak).await.assert_status(422);
        }
        change(&person.password, &next).await.assert_status(200);
        self.log_in(&person.identifier, &person.password)
            .await
            .assert_problem(401, "invalid_credentials");
        self.log_in(&person.identifier, &next)
            .await
            .assert_status(200);
        self.message(&person.identifier, 2).await;
        self.look_into_redis();
    }

    /// Asks for a reset; gives the challenge and the message.
    async fn ask_to_reset(&self, person: &mut Somebody) -> (String, Value) {
        self.app.advance_seconds(61);
        let challenge = self
            .post(
                "/api/v1/auth/password/reset",
                json!({"identifier": person.identifier}),
            )
            .await;
        challenge.assert_status(202);
        person.messages += 1;
        let messages = self.app.codes_to(&person.identifier, person.messages).await;
        self.secrets.collect(&Value::from(messages.clone()));
        (challenge.text_of("/challenge_id"), messages[0].clone())
    }

    async fn confirm_reset(&self, body: Value) -> Answer {
        self.post("/api/v1/auth/password/reset/confirm", body).await
    }

    async fn resetting_by_code(&self) {
        let mut person = self.somebody().await;
        let unknown = json!({"email": self.email()});
        self.post("/api/v1/auth/password/reset", unknown)
            .await
            .assert_status(202);
        let (challenge, message) = self.ask_to_reset(&mut person).await;
        let code = message["code"].as_str().expect("a code");
        let next = self.password();
        let body = |code: &str, new: &str| json!({"challenge_id": challenge, "code": code, "new_password": new});
        self.confirm_reset(body(&self.wrong_code(code), &next))
            .await
            .assert_problem(401, "invalid_code");
        let (local_part, _) = person.identifier.split_once('@').unwrap();
        self.confirm_reset(body(code, local_part))
            .await
            .assert_status(422);
        self.confirm_reset(body(code, &next))
            .await
            .assert_status(200);
        self.confirm_reset(body(code, &self.password()))
            .await
            .assert_problem(401, "invalid_code");
        self.log_in(&person.identifier, &next)
            .await
            .assert_status(200);
        self.look_into_redis();
    }

    async fn resetting_by_link(&self) {
        let mut person = self.somebody().await;
        let (challenge, late) = self.ask_to_reset(&mut person).await;
        self.app.advance_seconds(30 * 60);
        let body = |token: &str| json!({"token": token, "new_password": self.password()});
        self.confirm_reset(body(&link_token(&late)))
            .await
            .assert_problem(401, "invalid_code");
        let (_, message) = self.ask_to_reset(&mut person).await;
        let token = link_token(&message);
        let junk = self.secrets.make("a junk link token");
        for wrong in [
            token.clone() + "x",
            token[1..].to_owned(),
            junk,
            link_token(&late),
        ] {
            self.confirm_reset(body(&wrong))
                .await
                .assert_problem(401, "invalid_code");
        }
        let both = json!({
            "token": token, "challenge_id": challenge, "code": message["code"], "new_password": self.password(),
        });
        self.confirm_reset(both).await.assert_status(422);
        self.confirm_reset(body(&token)).await.assert_status(200);
        self.confirm_reset(body(&token))
            .await
            .assert_problem(401, "invalid_code");
        // A link that nobody opens.
        self.ask_to_reset(&mut person).await;
        self.look_into_redis();
    }

    async fn changing_the_identifier_and_taking_it_back(&self) {
        let person = self.somebody().await;
        let access = &person.tokens.access;
        let new = self.email();
        let asked = self
            .send_as(
                access,
                "POST",
                "/api/v1/me/identifier",
                json!({"email": new}),
            )
            .await;
        asked.assert_status(202);
        let challenge = asked.text_of("/challenge_id");
        let code = self.code(&new, 1).await;
        let confirm = |code: &str| {
            let body = json!({"challenge_id": challenge, "code": code});
            self.send_as(access, "POST", "/api/v1/me/identifier/confirm", body)
        };
        confirm(&self.wrong_code(&code))
            .await
            .assert_problem(401, "invalid_code");
        confirm(&code).await.assert_status(200);
        self.log_in(&new, &person.password).await.assert_status(200);
        let told = self.app.message_with(&new, "#not-me=").await;
        self.secrets.collect(&told);
        let told = self.app.message_with(&person.identifier, "#undo=").await;
        self.secrets.collect(&told);
        let token = crate::identifier::token_in(&told, "undo");
        let undo = || {
            self.post(
                "/api/v1/auth/identifier/undo",
                json!({"token": token.clone()}),
            )
        };
        undo().await.assert_status(200);
        undo().await.assert_problem(401, "invalid_code");
        self.look_into_redis();
    }

    async fn being_locked_out(&self) {
        let person = self.somebody().await;
        for identifier in [person.identifier.clone(), self.email()] {
            for _ in 0..5 {
                self.log_in(&identifier, &self.password())
                    .await
                    .assert_problem(401, "invalid_credentials");
            }
            self.log_in(&identifier, &person.password)
                .await
                .assert_problem(429, "account_locked");
        }
        self.message(&person.identifier, 2).await;
        self.look_into_redis();
    }
}

fn link_token(message: &Value) -> String {
    let text = message["text"].as_str().expect("a text");
    let (_, token) = text.split_once("#token=").expect("a link in a reset mail");
    token.split_whitespace().next().expect("a token").to_owned()
}
