//! What needs a recent sign-in, and how one is renewed.

use serde_json::json;

use crate::{
    app::{TestApp, wrong_code},
    person::{OTHER_PASSWORD, Tokens},
};

testkit::on_every_engine! {
    async fn after_ten_minutes_factors_change_only_after_a_new_proof(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let access = &it.person.tokens.access;
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
        app.delete_as(&refreshed.access, "/api/v1/me/mfa/totp").await.assert_status(200);
        app.me(access).await;
        app.delete_as(&tokens.access, "/api/v1/me/mfa/totp").await.assert_problem(404, "not_found");
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
        app.reauthenticate(&remembered.access, &proof).await.assert_status(200);
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
        app.reauthenticate(&remembered.access, &proof).await.assert_status(200);
        app.delete_as(&remembered.access, "/api/v1/me/mfa/totp").await.assert_status(200);
    }

    async fn a_password_or_a_second_factor_proves_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let access = &it.person.tokens.access;
        let right = json!({"password": it.person.password});
        app.reauthenticate(access, &right).await.assert_status(200);
        let recovery = json!({"method": "recovery_code", "code": it.recovery_codes[0]});
        app.reauthenticate(access, &recovery).await.assert_status(200);
        app.reauthenticate(access, &recovery).await.assert_problem(401, "invalid_code");
        let code = it.code(&app);
        let totp = json!({"method": "totp", "code": code});
        app.reauthenticate(access, &totp).await.assert_status(200);
        app.reauthenticate(access, &totp).await.assert_problem(401, "invalid_code");
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
