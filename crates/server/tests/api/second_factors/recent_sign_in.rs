//! What needs a recent sign-in, and how one is renewed.

use serde_json::json;
use testkit::race;

use crate::{
    app::{TestApp, wrong_code},
    person::{OTHER_PASSWORD, Tokens},
};

testkit::on_every_engine! {
    async fn after_ten_minutes_factors_change_only_after_a_new_proof(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        app.advance_seconds(9 * 60 + 1);
        let refreshed = Tokens::of(&app.refresh(&it.person.tokens.refresh).await);
        for (method, path) in [
            ("POST", "/api/v1/me/mfa/totp"),
            ("DELETE", "/api/v1/me/mfa/totp"),
            ("POST", "/api/v1/me/mfa/recovery-codes"),
        ] {
            let request = app.request(method, path).bearer_auth(&refreshed.access);
            app.send(request).await.assert_problem(403, "reauthentication_required");
        }
        let body = json!({"code": "123456"});
        let path = "/api/v1/me/mfa/totp/confirm";
        app.post_as(&refreshed.access, path, &body).await.assert_problem(403, "reauthentication_required");
        // The app is untouched, and a proof opens the way again.
        let proof = json!({"method": "totp", "code": it.code(&app)});
        let renewed = app.reauthenticate(&refreshed.access, &proof).await;
        renewed.assert_status(200);
        let tokens = Tokens::of(&renewed);
        assert_eq!(tokens.session, it.person.tokens.session);
        assert_eq!(tokens.refresh, refreshed.refresh, "the refresh token stays what it was");
        app.delete_as(&tokens.access, "/api/v1/me/mfa/totp").await.assert_status(200);
    }

    /// V7.2.4: whoever stole an access token gets nothing of what its owner proves anew, on any node, at any
    /// moment; the owner's refresh token goes on.
    async fn a_proof_ends_the_tokens_from_before_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let proof = json!({"password": person.password});
        let mut held = person.tokens;
        // The clock of the tests stands still: all at one moment.
        for _ in 0..3 {
            let renewed = app.reauthenticate(&held.access, &proof).await;
            renewed.assert_status(200);
            let renewed = Tokens::of(&renewed);
            app.me(&held.access).await.assert_problem(401, "invalid_token");
            app.reauthenticate(&held.access, &proof).await.assert_problem(401, "invalid_token");
            app.me(&renewed.access).await.assert_status(200);
            assert_eq!((&renewed.session, &renewed.refresh), (&held.session, &held.refresh));
            held = renewed;
        }
        let refreshed = Tokens::of(&app.refresh(&held.refresh).await);
        app.me(&refreshed.access).await.assert_status(200);
        app.me(&held.access).await.assert_status(200);
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
