//! How many statements each route may cost. BEGIN, COMMIT and pings are not counted; a transaction names
//! its statements.

use serde_json::json;
use testkit::{
    Engine,
    authenticator::{Conduct, SoftPasskey},
};

use crate::{
    answer::Answer,
    app::{TestApp, wrong_code},
    passkeys,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

impl TestApp {
    /// What a request costs in statements, with the worker kept out of the count.
    async fn cost(&self, request: reqwest::RequestBuilder) -> (Answer, u64) {
        let _quiet = self.quiet().await;
        let before = self.counters().statements;
        let answer = self.send(request).await;
        (answer, self.counters().statements - before)
    }

    async fn assert_cost(
        &self,
        request: reqwest::RequestBuilder,
        status: u16,
        budget: u64,
    ) -> Answer {
        let (answer, cost) = self.cost(request).await;
        answer.assert_status(status);
        assert_eq!(cost, budget, "statements of {answer:?}");
        answer
    }
}

/// A proof that can be used once has its answer recorded, and the record taken when the answer is given.
pub(crate) const ONCE: u64 = 2;

/// A unit of an act through a session begins by holding the session, and the account where units may write at once.
fn hold(engine: Engine) -> u64 {
    match engine {
        Engine::Embedded => 1,
        Engine::Production => 2,
    }
}

testkit::on_every_engine! {
    /// Challenge, dispatch, message quota, message, audit entry.
    async fn asking_for_a_code_costs_five(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let body = json!({"email": email, "password": PASSWORD});
        app.assert_cost(app.post_request("/api/v1/auth/register", &body), 202, 5).await;
        let body = json!({"identifier": email});
        for path in ["/api/v1/auth/login/otp", "/api/v1/auth/password/reset"] {
            app.assert_cost(app.post_request(path, &body), 202, 5).await;
        }
        // Within the cool-down: challenge, dispatch, audit entry.
        app.assert_cost(app.post_request("/api/v1/auth/login/otp", &body), 202, 3).await;
    }

    async fn signing_in_costs_one_read_and_one_transaction(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance_seconds(1);
        let known = app
            .post_request("/api/v1/auth/login", &person.credentials())
            .header("X-Device-Token", &person.device_token);
        app.assert_cost(known, 200, 1 + SIGN_IN_TRANSACTION).await;
        // A device that is new is one more to count, and told of: what was told before, a link, a message.
        let new = || app.post_request("/api/v1/auth/login", &person.credentials());
        app.assert_cost(new(), 200, 1 + SIGN_IN_TRANSACTION + 1 + 3).await;
        // The next one opens a summary, and whichever comes after goes into it.
        app.assert_cost(new(), 200, 1 + SIGN_IN_TRANSACTION + 1 + 3).await;
        app.assert_cost(new(), 200, 1 + SIGN_IN_TRANSACTION + 1 + 1).await;
        // A failure: one read; failure counted, audit entry.
        let wrong = json!({"identifier": person.identifier, "password": OTHER_PASSWORD});
        app.assert_cost(app.post_request("/api/v1/auth/login", &wrong), 401, 3).await;
        // Ending the rows of failures costs nothing of its own.
        let known = app
            .post_request("/api/v1/auth/login", &person.credentials())
            .header("X-Device-Token", &person.device_token);
        app.assert_cost(known, 200, 1 + SIGN_IN_TRANSACTION).await;
    }

    async fn signing_in_with_a_passkey_costs_one_read_and_one_transaction(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.advance_seconds(1);
        let asked = app.assert_cost(app.request("POST", "/api/v1/auth/passkey/options"), 200, 1).await;
        let path = "/api/v1/auth/passkey/verify";
        let body = json!({
            "challenge_id": asked.text_of("/challenge_id"),
            "credential": passkey.sign(&asked.data()["public_key"], &Conduct::at(passkeys::ORIGIN)),
        });
        let known = app.post_request(path, &body).header("X-Device-Token", &person.device_token);
        // Ceremony and use, and nobody's failures have to be cleared.
        app.assert_cost(known, 200, 1 + 2 + SIGN_IN_TRANSACTION - 1 + ONCE).await;
        // Used: one read, and whether an answer waits.
        app.assert_cost(app.post_request(path, &body), 401, 2).await;
        // A failure: one read; ceremony, audit entry; whether an answer waits.
        let asked = app.ask_for_passkey().await;
        let foreign = passkey.sign(&asked.options, &Conduct::at("https://evil.example"));
        let body = json!({"challenge_id": asked.challenge, "credential": foreign});
        app.assert_cost(app.post_request(path, &body), 401, 4).await;
    }

    async fn looking_after_passkeys_is_within_its_budget(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        let signed_in = |method: &str, path: &str| app.request(method, path).bearer_auth(access);
        app.me(access).await.assert_status(200);
        let asked = app.assert_cost(signed_in("POST", "/api/v1/me/passkeys/options"), 200, 2).await;
        let conduct = Conduct::at(passkeys::ORIGIN);
        let (passkey, credential) = SoftPasskey::create(&asked.data()["public_key"], &conduct);
        // Ceremony, session, passkeys; ceremony used, factors changed (four: what was sent is gone, account, move,
        // devices), passkey, audit entry, event, other sessions ended, what was told before, the link of a notice,
        // the notice.
        let body = json!({"credential": credential});
        let enrol = signed_in("POST", "/api/v1/me/passkeys").json(&body);
        let added = app.assert_cost(enrol, 201, 3 + 12 + hold(engine) + ONCE).await;
        app.me(access).await.assert_status(200);
        app.assert_cost(signed_in("GET", "/api/v1/me/passkeys"), 200, 1).await;
        // Ceremony; ceremony used, use noted, session proven, audit entry.
        let asked = app.ask_for_passkey().await;
        let body = json!({"challenge_id": asked.challenge, "credential": passkey.sign(&asked.options, &conduct)});
        let prove = signed_in("POST", "/api/v1/auth/reauthenticate").json(&body);
        let proven = app.assert_cost(prove, 200, 1 + 4 + hold(engine)).await;
        let access = Tokens::of(&proven).access;
        let signed_in = |method: &str, path: &str| app.request(method, path).bearer_auth(&access);
        app.me(&access).await.assert_status(200);
        // One read; name, audit entry.
        let path = format!("/api/v1/me/passkeys/{}", added.text_of("/id"));
        let rename = signed_in("PATCH", &path).json(&json!({"name": "A phone"}));
        app.assert_cost(rename, 200, 1 + 2 + hold(engine)).await;
        // Session, account, passkeys, the identity at Google; factors changed (four), passkey, recovery codes,
        // audit entry, event, other sessions ended, what was told before, the link of a notice, the notice.
        app.assert_cost(signed_in("DELETE", &path), 200, 4 + 12 + hold(engine)).await;
    }

    /// One read and one transaction more than without.
    async fn signing_in_with_a_second_factor_costs_one_read_and_one_transaction_more(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let login = app
            .post_request("/api/v1/auth/login", &it.person.credentials())
            .header("X-Device-Token", &it.person.device_token);
        // Failures cleared, sign-in kept, audit entry.
        let asked = app.assert_cost(login, 200, 1 + 3).await;
        let body = json!({
            "challenge_id": asked.text_of("/challenge_id"), "method": "totp", "code": it.code(&app),
        });
        // Step, sign-in and a guess used up in the place of the failures.
        let prove = app.post_request("/api/v1/auth/mfa/verify", &body);
        app.assert_cost(prove, 200, 1 + 3 + SIGN_IN_TRANSACTION - 1 + ONCE).await;
    }

    async fn refreshing_costs_one_statement_and_theft_one_transaction_more(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let first = json!({"refresh_token": person.tokens.refresh});
        let path = "/api/v1/auth/token/refresh";
        let second = app.assert_cost(app.post_request(path, &first), 200, 1).await;
        let second = json!({"refresh_token": Tokens::of(&second).refresh});
        app.assert_cost(app.post_request(path, &second), 200, 1).await;
        // Session ended, audit entry, events, what was told before, link and notice.
        app.assert_cost(app.post_request(path, &first), 401, 1 + 6).await;
        // Of a session that is over: nothing to end, and nothing to go on from.
        app.assert_cost(app.post_request(path, &first), 401, 1 + 1 + 1).await;
    }

    async fn forgiving_a_lost_answer_costs_one_transaction_more_than_a_refresh(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let first = json!({"refresh_token": person.tokens.refresh});
        let path = "/api/v1/auth/token/refresh";
        app.assert_cost(app.post_request(path, &first), 200, 1).await;
        app.advance_seconds(10);
        let late = || app.post_request(path, &first).header("X-Device-Token", &person.device_token);
        // Forgiven, audit entry.
        app.assert_cost(late(), 200, 1 + 2).await;
        app.assert_cost(late(), 200, 1).await;
    }

    /// A proof is one statement and its trail beside what judges it, and the key of a repetition one or two more.
    async fn proving_again_is_within_its_budget(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let prove = |access: &str| {
            app.post_request("/api/v1/auth/reauthenticate", &json!({"password": PASSWORD}))
                .bearer_auth(access)
        };
        app.me(&person.tokens.access).await.assert_status(200);
        // The session, the password; failures cleared, session proven, audit entry.
        let proven = app.assert_cost(prove(&person.tokens.access), 200, 2 + 3 + hold(engine)).await;
        let access = Tokens::of(&proven).access;
        app.me(&access).await.assert_status(200);
        // The answer before, and this one recorded.
        let keyed = prove(&access).header("Idempotency-Key", "k");
        app.assert_cost(keyed, 200, 3 + 4 + hold(engine)).await;
    }

    async fn ones_own_account_costs_one_statement_cold_and_none_warm(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let me = || app.request("GET", "/api/v1/me").bearer_auth(&person.tokens.access);
        app.assert_cost(me(), 200, 1).await;
        app.assert_cost(me(), 200, 0).await;
        // A token that is no token costs nothing.
        app.assert_cost(app.request("GET", "/api/v1/me").bearer_auth("junk"), 401, 0).await;
    }

    async fn what_a_session_does_is_within_its_budget(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let other = Tokens::of(&app.log_in(&person.identifier, PASSWORD).await);
        let access = &person.tokens.access;
        app.me(access).await.assert_status(200);
        app.me(&other.access).await.assert_status(200);
        let signed_in = |method: &str, path: &str| app.request(method, path).bearer_auth(access);
        app.assert_cost(signed_in("GET", "/api/v1/me/sessions"), 200, 1).await;
        // Session ended, audit entry, event.
        let path = format!("/api/v1/me/sessions/{}", other.session);
        app.assert_cost(signed_in("DELETE", &path), 200, 3).await;
        // Nothing to end: one statement.
        app.assert_cost(signed_in("DELETE", "/api/v1/me/sessions"), 200, 1).await;
        // One read; profile, account, audit entry, event.
        let change = signed_in("PATCH", "/api/v1/me").json(&json!({"display_name": "Ada"}));
        let (answer, cost) = app.cost(change).await;
        answer.assert_status(200);
        assert!(cost <= 5 + hold(engine), "{cost}");
        let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        app.me(access).await.assert_status(200);
        let (answer, cost) = app.cost(signed_in("POST", "/api/v1/auth/password/change").json(&change)).await;
        answer.assert_status(200);
        // What was told before is looked at, too.
        assert!(cost <= 2 + 12 + hold(engine), "{cost}");
        let access = Tokens::of(&answer).access;
        app.me(&access).await.assert_status(200);
        let log_out = app.request("POST", "/api/v1/auth/logout").bearer_auth(&access);
        app.assert_cost(log_out, 200, 3).await;
    }

    async fn proving_a_code_is_within_its_budget(engine: Engine) {
        let app = TestApp::start(engine).await;
        let email = app.fresh_email();
        let challenge = app.ask_to_register(&email, PASSWORD).await.text_of("/challenge_id");
        let code = app.code_sent_to(&email).await;
        let wrong = json!({"challenge_id": challenge, "code": wrong_code(&code)});
        // One read; try on the challenge, try in the window, audit entry; whether an answer waits.
        app.assert_cost(app.post_request("/api/v1/auth/verify-otp", &wrong), 401, 5).await;
        let right = json!({"challenge_id": challenge, "code": code});
        let (answer, cost) = app.cost(app.post_request("/api/v1/auth/verify-otp", &right)).await;
        answer.assert_status(201);
        // One read; challenge, code and try; the account's six rows; a sign-in from a new device; and, since there
        // was a wrong code before, two statements that end failures in a row.
        assert_eq!(cost, 1 + 3 + 6 + SIGN_IN_TRANSACTION + 2 + ONCE);
        // Used: one read, and whether an answer waits.
        app.assert_cost(app.post_request("/api/v1/auth/verify-otp", &right), 401, 2).await;
    }

    async fn what_reads_nothing_costs_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        for path in ["/api/v1/countries", "/.well-known/jwks.json", "/health/live", "/openapi.json"] {
            app.assert_cost(app.request("GET", path), 200, 0).await;
        }
    }
}

/// Failures cleared, device, session, sessions beyond the limit, audit entry, event.
pub(crate) const SIGN_IN_TRANSACTION: u64 = 6;
