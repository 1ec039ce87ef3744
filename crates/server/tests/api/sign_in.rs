//! Signing in: by password, by code, and the lockout that cannot be aimed at a victim.

use serde_json::json;
use testkit::race;

use crate::{
    app::{TestApp, wrong_code},
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

testkit::on_every_engine! {
    async fn a_password_signs_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let answer = app.log_in(&person.identifier, PASSWORD).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["message"], "Login successful");
        let data = answer.data();
        assert_eq!(data["status"], "authenticated");
        assert_eq!(data["user"]["id"], person.id.as_str());
        assert_eq!(data["tokens"]["token_type"], "Bearer");
        assert_eq!(data["tokens"]["expires_in"], 600);
        assert!(data["tokens"]["refresh_token"].as_str().unwrap().starts_with("fa_rt_v1."));
        assert!(data["device_token"].as_str().unwrap().starts_with("fa_dt_v1."));
        let tokens = Tokens::of(&answer);
        assert_ne!(tokens.session, person.tokens.session, "a sign-in is a new session");
        app.me(&tokens.access).await.assert_status(200);
    }

    async fn email_or_phone_may_stand_in_the_identifiers_place(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let body = json!({"email": person.identifier, "password": PASSWORD});
        app.post("/api/v1/auth/login", &body).await.assert_status(200);
        let both = json!({"email": person.identifier, "identifier": person.identifier, "password": PASSWORD});
        app.post("/api/v1/auth/login", &both).await.assert_status(422);
    }

    async fn a_wrong_password_is_not_told_from_an_unknown_identifier(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let wrong = app.log_in(&person.identifier, OTHER_PASSWORD).await;
        wrong.assert_problem(401, "invalid_credentials");
        assert_eq!(wrong.json()["detail"], "Invalid credentials");
        let unknown = app.log_in(&app.fresh_email(), OTHER_PASSWORD).await;
        unknown.assert_problem(401, "invalid_credentials");
    }

    async fn the_sixth_attempt_is_locked_right_or_wrong_known_or_unknown(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for identifier in [person.identifier.clone(), app.fresh_email()] {
            for _ in 0..5 {
                app.log_in(&identifier, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
            }
            for password in [OTHER_PASSWORD, PASSWORD] {
                let locked = app.log_in(&identifier, password).await;
                locked.assert_problem(429, "account_locked");
                let wait: u32 = locked.header("retry-after").unwrap().parse().unwrap();
                assert!((890..=900).contains(&wait), "{wait}");
            }
        }
        // The owner comes in by the device they signed in from before.
        let known = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
        known.assert_status(200);
        assert_eq!(known.text_of("/device_token"), person.device_token, "handed back, not made anew");
        // And the lock holds for strangers all the same, until it has passed.
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(429, "account_locked");
        app.advance_seconds(15 * 60);
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        assert_eq!(app.audit_outcomes("session.sign_in_locked").await.len(), 2);
    }

    async fn a_known_device_has_its_own_five_failures(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for _ in 0..5 {
            let wrong = app.log_in_from(&person.device_token, &person.identifier, OTHER_PASSWORD).await;
            wrong.assert_problem(401, "invalid_credentials");
        }
        let locked = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
        locked.assert_problem(429, "account_locked");
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
    }

    async fn a_device_token_of_somebody_else_counts_as_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        let victim = app.register_person().await;
        let stranger = app.register_person().await;
        let (start, _) = victim.device_token.rsplit_once('.').unwrap();
        let forged = format!("{start}.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        for token in [stranger.device_token.as_str(), forged.as_str(), "junk", "fa_dt_v1.x.y"] {
            app.log_in_from(token, &victim.identifier, OTHER_PASSWORD).await;
        }
        app.log_in(&victim.identifier, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
        for token in [stranger.device_token.as_str(), forged.as_str()] {
            let locked = app.log_in_from(token, &victim.identifier, PASSWORD).await;
            locked.assert_problem(429, "account_locked");
        }
    }

    async fn a_success_forgets_the_failures_before_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for _ in 0..2 {
            for _ in 0..4 {
                app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
            }
            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        }
    }

    /// Beyond its tries a challenge tells nothing, not of the right code either.
    async fn of_many_codes_at_once_a_challenge_judges_five(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let refused = async || app.audit_outcomes("challenge.refused").await.len();
        for round in 0..4 {
            let body = json!({"identifier": person.identifier});
            let asked = app.post("/api/v1/auth/login/otp", &body).await;
            let challenge = asked.text_of("/challenge_id");
            let right = app.nth_code_sent_to(&person.identifier, 2 + round).await;
            let wrong = wrong_code(&right);
            let before = refused().await;
            // In every second round the right code is among them.
            let is_among = round % 2 == 1;
            let statuses = race::at_once(20, |number| {
                let (app, challenge) = (app.clone(), challenge.clone());
                let code = if is_among && number == 10 { &right } else { &wrong }.clone();
                async move { app.verify(&challenge, &code).await.status.as_u16() }
            })
            .await;
            let signed_in = statuses.iter().filter(|status| **status == 200).count();
            // Each guess that was judged stands in the trail: five, or fewer if the right one came before the fifth.
            let judged = refused().await - before;
            if signed_in == 0 {
                assert_eq!(judged, 5, "{statuses:?}");
                let answered = statuses.iter().filter(|status| **status == 401).count();
                assert_eq!(answered, 5, "the others are told nothing: {statuses:?}");
                app.verify(&challenge, &right).await.assert_problem(429, "too_many_attempts");
            } else {
                assert!(is_among && signed_in == 1 && judged < 5, "{judged}: {statuses:?}");
            }
            app.advance_seconds(3600);
        }
    }

    async fn of_many_guesses_at_once_no_more_than_five_are_answered(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let answers = race::at_once(15, |_| {
            let (app, identifier) = (app.clone(), person.identifier.clone());
            async move { app.log_in(&identifier, OTHER_PASSWORD).await.status.as_u16() }
        })
        .await;
        assert_eq!(answers.iter().filter(|status| **status == 401).count(), 5, "{answers:?}");
        assert!(answers.iter().all(|status| matches!(status, 401 | 429)), "{answers:?}");
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(429, "account_locked");
    }

    async fn right_passwords_at_once_all_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let answers = race::at_once(12, |_| {
            let (app, identifier) = (app.clone(), person.identifier.clone());
            async move { app.log_in(&identifier, PASSWORD).await.status.as_u16() }
        })
        .await;
        assert_eq!(answers, vec![200; 12]);
    }

    async fn a_code_signs_in_without_a_password(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance_seconds(61);
        let body = json!({"identifier": person.identifier});
        let challenge = app.post("/api/v1/auth/login/otp", &body).await;
        challenge.assert_status(202);
        let code = app.nth_code_sent_to(&person.identifier, 2).await;
        let answer = app.verify(&challenge.text_of("/challenge_id"), &code).await;
        answer.assert_status(200);
        assert_eq!(answer.data()["user"]["id"], person.id.as_str());
        app.verify(&challenge.text_of("/challenge_id"), &code).await.assert_problem(401, "invalid_code");
    }

    async fn a_code_is_good_for_its_purpose_and_its_owner_alone(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (ada, bob) = (app.register_person().await, app.register_person().await);
        let ask = |path: &'static str, who: &str| {
            let body = json!({"identifier": who});
            let app = app.clone();
            async move { app.post(path, &body).await.text_of("/challenge_id") }
        };
        let ada_sign_in = ask("/api/v1/auth/login/otp", &ada.identifier).await;
        let code = app.nth_code_sent_to(&ada.identifier, 2).await;
        let bob_sign_in = ask("/api/v1/auth/login/otp", &bob.identifier).await;
        let bobs = app.nth_code_sent_to(&bob.identifier, 2).await;
        let ada_reset = ask("/api/v1/auth/password/reset", &ada.identifier).await;
        let resets = app.nth_code_sent_to(&ada.identifier, 3).await;
        if code != bobs {
            app.verify(&bob_sign_in, &code).await.assert_problem(401, "invalid_code");
        }
        if code != resets {
            app.verify(&ada_sign_in, &resets).await.assert_problem(401, "invalid_code");
        }
        app.verify(&ada_reset, &resets).await.assert_problem(401, "invalid_code");
        app.verify(&ada_sign_in, &code).await.assert_status(200);
    }

    async fn guesses_of_codes_are_limited_over_all_challenges_of_a_person(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let body = json!({"identifier": person.identifier});
        for round in 0..3 {
            app.advance_seconds(61);
            let challenge = app.post("/api/v1/auth/login/otp", &body).await.text_of("/challenge_id");
            let code = app.nth_code_sent_to(&person.identifier, 2 + round).await;
            for _ in 0..5 {
                app.verify(&challenge, &wrong_code(&code)).await.assert_problem(401, "invalid_code");
            }
        }
        app.advance_seconds(61);
        let challenge = app.post("/api/v1/auth/login/otp", &body).await.text_of("/challenge_id");
        let code = app.nth_code_sent_to(&person.identifier, 5).await;
        app.verify(&challenge, &code).await.assert_problem(429, "too_many_attempts");
        // The owner's known device is counted apart.
        let proof = json!({"challenge_id": challenge, "code": code});
        let request = app.request("POST", "/api/v1/auth/verify-otp")
            .header("X-Device-Token", &person.device_token)
            .json(&proof);
        app.send(request).await.assert_status(200);
    }

    async fn an_account_that_is_not_active_gives_no_token_by_any_way(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance_seconds(61);
        let body = json!({"identifier": person.identifier});
        let challenge = app.post("/api/v1/auth/login/otp", &body).await.text_of("/challenge_id");
        let code = app.nth_code_sent_to(&person.identifier, 2).await;
        app.set_account_status(&person.id, "suspended").await;
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(403, "account_suspended");
        app.verify(&challenge, &code).await.assert_problem(403, "account_suspended");
        app.refresh(&person.tokens.refresh).await.assert_problem(401, "invalid_refresh_token");

        app.set_account_status(&person.id, "deleted").await;
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(401, "invalid_credentials");
        app.refresh(&person.tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
    }
}
