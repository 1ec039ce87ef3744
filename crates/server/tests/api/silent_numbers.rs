//! Numbers that nobody used for long may be somebody else's by now.

use serde_json::json;

use crate::{
    answer::Answer,
    app::TestApp,
    identifier::token_in,
    passkeys::honest,
    person::{OTHER_PASSWORD, PASSWORD, Person, Tokens},
};

const NUMBER: &str = "+2348012345678";
const LONG: time::Duration = time::Duration::days(180);

impl TestApp {
    /// Signs in by code, from the device of a token if there is one.
    async fn sign_in_by_code(&self, identifier: &str, device_token: Option<&str>) -> Answer {
        let before = self.codes_to(identifier, 0).await.len();
        let body = json!({"identifier": identifier});
        let challenge = self.post("/api/v1/auth/login/otp", &body).await;
        challenge.assert_status(202);
        let code = self.nth_code_sent_to(identifier, before + 1).await;
        let body = json!({"challenge_id": challenge.text_of("/challenge_id"), "code": code});
        let request = self.request("POST", "/api/v1/auth/verify-otp").json(&body);
        let request = match device_token {
            Some(token) => request.header("X-Device-Token", token),
            None => request,
        };
        self.send(request).await
    }

    async fn somebody_with_a_number(&self) -> Person {
        self.register_as(NUMBER, PASSWORD).await
    }
}

testkit::on_every_engine! {
    async fn a_number_that_was_silent_for_long_opens_nothing_alone(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.somebody_with_a_number().await;
        app.advance(LONG - time::Duration::SECOND);
        app.sign_in_by_code(NUMBER, None).await.assert_status(200);
        // That was a proof: the time begins anew.
        app.advance(LONG);
        let refused = app.sign_in_by_code(NUMBER, None).await;
        refused.assert_problem(403, "another_proof_required");
        assert!(!refused.text.contains("token"), "{refused:?}");
        app.advance_seconds(61);
        let reset = app.reset_password(NUMBER, OTHER_PASSWORD).await;
        reset.assert_problem(403, "another_proof_required");
        app.log_in(NUMBER, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
        let refusals = app.audit_outcomes("session.sign_in").await;
        assert_eq!(refusals.iter().filter(|it| *it == "another_proof_required").count(), 1);
        assert_eq!(app.audit_outcomes("credential.password_reset").await, ["another_proof_required"]);
        // The owner knows something that the number does not tell.
        let answer = app.log_in(NUMBER, PASSWORD).await;
        assert_eq!(answer.text_of("/user/id"), person.id);
    }

    async fn a_known_device_speaks_for_a_silent_number(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.somebody_with_a_number().await;
        app.advance(LONG);
        app.sign_in_by_code(NUMBER, None).await.assert_problem(403, "another_proof_required");
        app.advance_seconds(61);
        app.sign_in_by_code(NUMBER, Some(&person.device_token)).await.assert_status(200);
        // With that the number is proven again.
        app.advance_seconds(61);
        app.sign_in_by_code(NUMBER, None).await.assert_status(200);
    }

    /// A second factor is asked for at a sign-in; at a reset nothing is, and the number is no more proven by it.
    async fn a_second_factor_speaks_for_a_silent_number_once_it_is_proven(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.somebody_with_a_number().await;
        app.secure(person).await;
        app.advance(LONG);
        let asked = app.sign_in_by_code(NUMBER, None).await;
        asked.assert_status(200);
        assert_eq!(asked.data()["status"], "mfa_required");
        app.advance_seconds(61);
        let reset = app.reset_password(NUMBER, OTHER_PASSWORD).await;
        reset.assert_problem(403, "another_proof_required");
        app.log_in(NUMBER, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
    }

    /// The passkey is all there is beside codes, which open nothing any more.
    async fn a_silent_number_is_no_way_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.somebody_with_a_number().await;
        let passkey = app.enrol_passkey(&person).await;
        let forgotten = "DELETE FROM password_credentials WHERE account_id IS NOT NULL";
        app.database().execute(forgotten).await;
        app.advance(LONG);
        let signed_in = app.sign_in_with(&passkey, &honest()).await;
        let access = Tokens::of(&signed_in).access;
        let listed = app.get_as(&access, "/api/v1/me/passkeys").await;
        let path = format!("/api/v1/me/passkeys/{}", listed.text_of("/items/0/id"));
        app.delete_as(&access, &path).await.assert_problem(409, "last_way_in");
        // Proven again, it is one.
        app.advance_seconds(61);
        let device = signed_in.text_of("/device_token");
        app.sign_in_by_code(NUMBER, Some(&device)).await.assert_status(200);
        app.delete_as(&access, &path).await.assert_status(200);
    }

    async fn a_code_beside_the_password_proves_a_silent_number(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.somebody_with_a_number().await;
        let it = app.secure(person).await;
        app.advance(LONG);
        let challenge = app.challenge_of(&it.person).await;
        let before = app.codes_to(NUMBER, 0).await.len();
        app.post("/api/v1/auth/mfa/otp", &json!({"challenge_id": challenge})).await.assert_status(202);
        let code = app.nth_code_sent_to(NUMBER, before + 1).await;
        app.second_step(&challenge, "otp", &code).await.assert_status(200);
        app.advance_seconds(61);
        app.reset_password(NUMBER, OTHER_PASSWORD).await.assert_status(200);
    }

    /// Whoever has the number now neither shuts the owner out nor takes the account back to the number.
    async fn a_silent_number_gets_notices_without_links(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.somebody_with_a_number().await;
        app.log_in(NUMBER, PASSWORD).await.assert_status(200);
        token_in(&app.message_with(NUMBER, "new device").await, "not-me");
        app.advance(LONG);
        let before = app.mailbox(NUMBER).await.len();
        let owner = Tokens::of(&app.log_in(NUMBER, PASSWORD).await);
        let email = app.fresh_email();
        app.change_identifier(&owner.access, &email).await;
        app.settle_messages().await;
        let mut messages = app.mailbox(NUMBER).await;
        messages.truncate(messages.len() - before);
        assert_eq!(messages.len(), 2, "{messages:#?}");
        for message in messages {
            let text = message["text"].as_str().unwrap();
            assert!(!text.contains("http"), "{text}");
        }
        // Nothing keeps the number from whoever has it now.
        let before = app.codes_to(NUMBER, 0).await.len();
        let asked = app.ask_to_register(NUMBER, OTHER_PASSWORD).await;
        let code = app.nth_code_sent_to(NUMBER, before + 1).await;
        app.verify(&asked.text_of("/challenge_id"), &code).await.assert_status(201);
    }

    async fn asking_for_a_code_tells_nothing_of_silence(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.somebody_with_a_number().await;
        app.advance(LONG);
        let ask = async |number: &str| {
            let body = json!({"identifier": number});
            app.post("/api/v1/auth/login/otp", &body).await
        };
        let (silent, unknown) = (ask(NUMBER).await, ask("+2348012345679").await);
        for answer in [&silent, &unknown] {
            answer.assert_status(202);
        }
        assert_eq!(silent.data()["expires_in"], unknown.data()["expires_in"]);
        let wrong = async |answer: &Answer| app.verify(&answer.text_of("/challenge_id"), "000000").await;
        wrong(&silent).await.assert_problem(401, "invalid_code");
        wrong(&unknown).await.assert_problem(401, "invalid_code");
    }

    async fn addresses_are_never_silent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance(LONG * 3);
        app.sign_in_by_code(&person.identifier, None).await.assert_status(200);
    }
}
