//! What needs a recent sign-in, and how one is renewed.

use serde_json::{Value, json};
use testkit::race;

use super::{authenticator, sign_in::claims_of};
use crate::{
    answer::Answer,
    app::{TestApp, wrong_code},
    passkeys::honest,
    person::{OTHER_PASSWORD, Person, Tokens},
};

/// What needs a recent sign-in, without a body that would be judged.
const SENSITIVE: [(&str, &str); 7] = [
    ("POST", "/api/v1/me/mfa/totp"),
    ("DELETE", "/api/v1/me/mfa/totp"),
    ("POST", "/api/v1/me/mfa/recovery-codes"),
    ("POST", "/api/v1/me/passkeys/options"),
    ("DELETE", "/api/v1/me/sessions"),
    (
        "DELETE",
        "/api/v1/me/devices/01920000-0000-7000-8000-000000000000",
    ),
    ("POST", "/api/v1/auth/logout-all"),
];

impl TestApp {
    /// All of it is refused for want of the same proofs.
    async fn assert_missing(&self, access: &str, methods: &[&str]) {
        for (method, path) in SENSITIVE {
            let request = self.request(method, path).bearer_auth(access);
            let refused = self.send(request).await;
            refused.assert_problem(403, "reauthentication_required");
            assert_eq!(refused.json()["methods"], json!(methods), "{path}");
        }
    }

    async fn reauthenticate_with_key(&self, access: &str, key: &str, body: &Value) -> Answer {
        let request = self
            .post_request("/api/v1/auth/reauthenticate", body)
            .bearer_auth(access)
            .header("Idempotency-Key", key);
        self.send(request).await
    }
}

testkit::on_every_engine! {
    /// V7.5.1: neither factor stands in for the other one.
    async fn after_ten_minutes_factors_change_only_after_both_were_proven_anew(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        app.advance_seconds(9 * 60 + 1);
        let refreshed = Tokens::of(&app.refresh(&it.person.tokens.refresh).await);
        let second = ["totp", "recovery_code"];
        app.assert_missing(&refreshed.access, &["password", second[0], second[1]]).await;
        let body = json!({"code": "123456"});
        let path = "/api/v1/me/mfa/totp/confirm";
        app.post_as(&refreshed.access, path, &body).await.assert_problem(403, "reauthentication_required");
        let before = claims_of(&refreshed);
        // The password alone: 200, and the second factor is as old as it was.
        let password = json!({"password": it.person.password});
        let first = Tokens::of(&app.reauthenticate(&refreshed.access, &password).await);
        app.assert_missing(&first.access, &second).await;
        let claims = claims_of(&first);
        assert_eq!((&claims["acr"], &claims["auth_time"]), (&json!("2"), &before["auth_time"]));
        // And the second one beside it.
        let code = json!({"method": "totp", "code": it.code(&app)});
        let both = Tokens::of(&app.reauthenticate(&first.access, &code).await);
        let claims = claims_of(&both);
        assert_eq!((&claims["acr"], &claims["auth_time"]), (&json!("2"), &json!(app.now().unix_timestamp())));
        assert_eq!(both.session, it.person.tokens.session);
        app.delete_as(&both.access, "/api/v1/me/mfa/totp").await.assert_status(200);
    }

    async fn a_second_factor_alone_is_no_recent_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        app.advance_seconds(9 * 60 + 1);
        let refreshed = Tokens::of(&app.refresh(&it.person.tokens.refresh).await);
        let code = json!({"method": "recovery_code", "code": it.recovery_codes[0]});
        let second = Tokens::of(&app.reauthenticate(&refreshed.access, &code).await);
        app.assert_missing(&second.access, &["password"]).await;
        app.forget_passwords().await;
        let refused = app.ask_to_enrol(&second.access).await;
        refused.assert_problem(403, "reauthentication_required");
        assert!(refused.json().get("methods").is_none(), "nothing that is not there is named");
    }

    /// A passkey is both, and brings nearer whatever is missing.
    async fn a_passkey_is_a_recent_sign_in_by_itself(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        // Adding it proved nothing that the tokens from before could use.
        app.assert_missing(&person.tokens.access, &["webauthn"]).await;
        let again = Tokens::of(&app.refresh(&person.tokens.refresh).await);
        app.advance_seconds(10 * 60 + 1);
        let again = Tokens::of(&app.refresh(&again.refresh).await);
        assert_eq!(claims_of(&again)["acr"], "1");
        app.assert_missing(&again.access, &["password", "webauthn"]).await;
        let proven = Tokens::of(&app.prove_again_with(&again.access, &passkey, &honest()).await.0);
        app.ask_to_enrol(&proven.access).await.assert_status(200);
    }

    /// V7.2.4: whoever stole tokens gets nothing of what their owner proves anew, on any node, at any moment; and
    /// nobody is taken for a thief for it.
    async fn a_proof_ends_the_tokens_from_before_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let proof = json!({"password": person.password});
        let mut held = person.tokens.clone();
        let mut ended = Vec::new();
        // The clock of the tests stands still: all at one moment.
        for _ in 0..3 {
            let renewed = app.reauthenticate(&held.access, &proof).await;
            renewed.assert_status(200);
            let renewed = Tokens::of(&renewed);
            ended.push(held.clone());
            for old in &ended {
                app.me(&old.access).await.assert_problem(401, "invalid_token");
                app.reauthenticate(&old.access, &proof).await.assert_problem(401, "invalid_token");
                app.refresh(&old.refresh).await.assert_problem(401, "invalid_refresh_token");
            }
            app.me(&renewed.access).await.assert_status(200);
            assert_eq!(renewed.session, held.session);
            held = renewed;
        }
        // Nor later, and not with the device either.
        for seconds in [10, 600] {
            app.advance_seconds(seconds);
            for old in &ended {
                let late = app.refresh_from(&person.device_token, &old.refresh).await;
                late.assert_problem(401, "invalid_refresh_token");
            }
        }
        let refreshed = Tokens::of(&app.refresh(&held.refresh).await);
        app.me(&refreshed.access).await.assert_status(200);
        app.settle_messages().await;
        assert!(app.audit_outcomes("session.refresh_reuse").await.is_empty());
        assert!(app.messages_about(&person.identifier, "signed out").await.is_empty());
    }

    /// Five tabs, each with the token from before: all but the one that proved learn that theirs is dead, and the
    /// session is not.
    async fn tabs_with_a_token_from_before_a_proof_end_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let before = Tokens::of(&app.refresh(&person.tokens.refresh).await);
        let proof = json!({"password": person.password});
        let renewed = Tokens::of(&app.reauthenticate(&before.access, &proof).await);
        let answers = race::at_once(10, |number| {
            let tokens = if number % 2 == 0 { &before } else { &person.tokens };
            let (app, token) = (app.clone(), tokens.refresh.clone());
            async move { app.refresh(&token).await }
        })
        .await;
        for answer in &answers {
            answer.assert_problem(401, "invalid_refresh_token");
        }
        app.refresh(&renewed.refresh).await.assert_status(200);
    }

    /// A lost answer: the same call with its key, and the token from before, has the same answer.
    async fn a_proof_that_is_repeated_with_its_key_has_the_same_tokens(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let mut access = it.person.tokens.access.clone();
        let password = json!({"password": it.person.password});
        let totp = json!({"method": "totp", "code": it.code(&app)});
        let recovery = json!({"method": "recovery_code", "code": it.recovery_codes[0]});
        for (number, proof) in [password, totp, recovery].iter().enumerate() {
            let key = format!("proof {number}");
            let first = app.reauthenticate_with_key(&access, &key, proof).await;
            first.assert_status(200);
            let again = app.reauthenticate_with_key(&access, &key, proof).await;
            again.assert_status(200);
            assert_eq!(again.data(), first.data());
            app.reauthenticate_with_key(&access, "another", proof).await.assert_problem(401, "invalid_token");
            let other = json!({"password": OTHER_PASSWORD});
            app.reauthenticate_with_key(&access, &key, &other).await.assert_problem(422, "idempotency_key_reused");
            // A key opens nothing else with a token from before.
            let me = app.request("GET", "/api/v1/me").bearer_auth(&access).header("Idempotency-Key", &key);
            app.send(me).await.assert_problem(401, "invalid_token");
            access = Tokens::of(&first).access;
            app.me(&access).await.assert_status(200);
        }
        let outcomes = app.audit_outcomes("session.reauthenticated").await;
        assert_eq!(outcomes, ["success"; 3]);
    }

    async fn of_one_proof_ten_times_at_once_all_have_one_answer(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let proof = json!({"method": "totp", "code": it.code(&app)});
        let answers = race::at_once(5, |_| {
            let (app, access, proof) = (app.clone(), it.person.tokens.access.clone(), proof.clone());
            async move { app.reauthenticate_with_key(&access, "one", &proof).await }
        })
        .await;
        Answer::assert_one(&answers);
    }

    async fn what_answers_with_tokens_may_be_repeated_with_its_key(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let twice = async |access: &str, path: &str, body: &Value| {
            let send = async || {
                let request = app.post_request(path, body).bearer_auth(access);
                app.send(request.header("Idempotency-Key", "k")).await
            };
            let first = send().await;
            first.assert_status(200);
            let again = send().await;
            again.assert_status(200);
            assert_eq!(again.data(), first.data(), "{path}");
            app.post_as(access, path, body).await.assert_problem(401, "invalid_token");
            Tokens::of(&first)
        };
        let change = json!({"current_password": person.password, "new_password": OTHER_PASSWORD});
        let tokens = twice(&person.tokens.access, "/api/v1/auth/password/change", &change).await;
        let person = Person { tokens, ..person };
        let secret = app.begin_totp(&person).await.text_of("/secret");
        let code = authenticator(&secret).generate(app.now().unix_timestamp().try_into().unwrap());
        let confirm = json!({"code": code.to_string()});
        let tokens = twice(&person.tokens.access, "/api/v1/me/mfa/totp/confirm", &confirm).await;
        assert_eq!(claims_of(&tokens)["acr"], "2");
        app.refresh(&person.tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
        app.refresh(&tokens.refresh).await.assert_status(200);
    }

    /// Of two proofs with one token at one moment the later one ends the earlier one's.
    async fn of_proofs_at_once_one_token_is_left(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let proof = json!({"password": person.password});
        let renewed = race::at_once(10, |_| {
            let (app, access, proof) = (app.clone(), person.tokens.access.clone(), proof.clone());
            async move { app.reauthenticate(&access, &proof).await }
        })
        .await;
        let mut live = 0;
        for answer in renewed.iter().filter(|answer| answer.status == 200) {
            live += usize::from(app.me(&Tokens::of(answer).access).await.status == 200);
        }
        assert_eq!(live, 1);
    }

    /// Whoever has the password and a remembered device.
    async fn factors_change_only_after_a_second_factor(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let (email, password) = (&it.person.identifier, &it.person.password);
        let challenge = app.challenge_of(&it.person).await;
        let remember = json!({"remember_device": true});
        let answer = app.second_step_with(&challenge, "totp", &it.code(&app), remember).await;
        let device = answer.text_of("/device_token");
        let remembered = Tokens::of(&app.log_in_from(&device, email, password).await);
        let proof = json!({"password": password});
        let remembered = Tokens::of(&app.reauthenticate(&remembered.access, &proof).await);
        for (method, path) in [
            ("POST", "/api/v1/me/mfa/totp"),
            ("DELETE", "/api/v1/me/mfa/totp"),
            ("POST", "/api/v1/me/mfa/recovery-codes"),
            ("POST", "/api/v1/me/passkeys/options"),
        ] {
            let request = app.request(method, path).bearer_auth(&remembered.access);
            app.send(request).await.assert_problem(403, "reauthentication_required");
        }
        app.advance_seconds(30);
        let proof = json!({"method": "totp", "code": it.code(&app)});
        let proven = Tokens::of(&app.reauthenticate(&remembered.access, &proof).await);
        app.delete_as(&proven.access, "/api/v1/me/mfa/totp").await.assert_status(200);
    }

    async fn a_password_or_a_second_factor_proves_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let access = &it.person.tokens.access;
        let right = json!({"password": it.person.password});
        let mut access = Tokens::of(&app.reauthenticate(access, &right).await).access;
        let recovery = json!({"method": "recovery_code", "code": it.recovery_codes[0]});
        let totp = json!({"method": "totp", "code": it.code(&app)});
        for once in [recovery, totp] {
            access = Tokens::of(&app.reauthenticate(&access, &once).await).access;
            app.reauthenticate(&access, &once).await.assert_problem(401, "invalid_code");
        }
        let outcomes = app.audit_outcomes("session.reauthenticated").await;
        assert_eq!(outcomes.iter().filter(|it| *it == "success").count(), 3);
    }

    async fn guesses_through_a_session_end(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let access = &it.person.tokens.access;
        let wrong = json!({"password": OTHER_PASSWORD});
        for _ in 0..5 {
            app.reauthenticate(access, &wrong).await.assert_problem(403, "invalid_current_password");
        }
        let right = json!({"password": it.person.password});
        app.reauthenticate(access, &right).await.assert_problem(429, "account_locked");
        // Nobody else is locked out for it.
        app.challenge_of(&it.person).await;
        // Twenty calls a minute have a limit of their own.
        app.advance_seconds(61);
        let wrong = json!({"method": "totp", "code": wrong_code(&it.code(&app))});
        // One was spent when the app was confirmed.
        for _ in 0..14 {
            app.reauthenticate(access, &wrong).await.assert_problem(401, "invalid_code");
        }
        let right = json!({"method": "totp", "code": it.code(&app)});
        app.reauthenticate(access, &right).await.assert_problem(429, "too_many_attempts");
        let challenge = app.challenge_of(&it.person).await;
        app.second_step(&challenge, "totp", &it.code(&app)).await.assert_status(200);
    }

    async fn what_is_no_proof_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        for (body, status) in [
            (json!({}), 422),
            (json!({"password": "x", "method": "totp", "code": "123456"}), 422),
            (json!({"method": "totp"}), 422),
            (json!({"code": "123456"}), 422),
            (json!({"method": "otp", "code": "123456"}), 422),
            (json!({"method": "face", "code": "123456"}), 400),
            (json!({"password": ""}), 422),
            (json!({"password": 1}), 400),
        ] {
            let answer = app.reauthenticate(access, &body).await;
            assert_eq!(answer.status.as_u16(), status, "{body}");
        }
        // Whoever has no second factor proves nothing with one.
        let totp = json!({"method": "totp", "code": "123456"});
        app.reauthenticate(access, &totp).await.assert_problem(401, "invalid_code");
        app.post("/api/v1/auth/reauthenticate", &totp).await.assert_problem(401, "unauthenticated");
    }
}
