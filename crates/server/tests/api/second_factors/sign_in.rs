//! Signing in with a second factor.

use serde_json::json;
use testkit::race;

use super::Secured;
use crate::{
    answer::Answer,
    app::{TestApp, wrong_code},
    person::{OTHER_PASSWORD, Person, Tokens},
};

/// The claims of an access token, unverified.
pub(super) fn claims_of(tokens: &Tokens) -> serde_json::Value {
    use base64::Engine as _;
    let part = tokens.access.split('.').nth(1).unwrap();
    let part = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .unwrap();
    serde_json::from_slice(&part).unwrap()
}

fn methods(asked: &Answer) -> Vec<String> {
    serde_json::from_value(asked.data()["methods"].clone()).unwrap()
}

testkit::on_every_engine! {
    async fn an_authenticator_app_completes_a_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let asked = app.log_in(&it.person.identifier, &it.person.password).await;
        asked.assert_status(200);
        let data = asked.data();
        assert_eq!(data["status"], "mfa_required");
        assert_eq!(methods(&asked), ["totp", "otp", "recovery_code"]);
        assert!(data.get("tokens").is_none() && data.get("user").is_none(), "{asked:?}");
        let answer = app.second_step(&asked.text_of("/challenge_id"), "totp", &it.code(&app)).await;
        answer.assert_status(200);
        assert_eq!(answer.json()["message"], "Login successful");
        assert_eq!(answer.data()["status"], "authenticated");
        let mfa = json!({"enabled": true, "methods": ["totp", "recovery_code"]});
        assert_eq!(answer.data()["user"]["mfa"], mfa);
        let tokens = Tokens::of(&answer);
        app.me(&tokens.access).await.assert_status(200);
        let claims = claims_of(&tokens);
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("2"), &json!(["pwd", "otp", "mfa"])));
        // A refresh keeps what was proven.
        app.advance_seconds(1);
        let refreshed = Tokens::of(&app.refresh(&tokens.refresh).await);
        assert_eq!(claims_of(&refreshed)["acr"], "2");
    }

    /// A gateway that reads roles lets nobody through before the second factor.
    async fn a_token_names_a_staff_role_after_the_second_factor_alone(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.give_role(&person.id, "client,support").await;
        let one = Tokens::of(&app.log_in(&person.identifier, &person.password).await);
        let claims = claims_of(&one);
        assert_eq!((&claims["acr"], &claims["roles"]), (&json!("1"), &json!(["client"])));
        let refreshed = Tokens::of(&app.refresh(&one.refresh).await);
        assert_eq!(claims_of(&refreshed)["roles"], json!(["client"]));
        assert_eq!(app.me(&one.access).await.data()["roles"], json!(["client", "support"]));
        let it = app.secure(Person { tokens: refreshed, ..person }).await;
        let claims = claims_of(&it.person.tokens);
        assert_eq!((&claims["acr"], &claims["roles"]), (&json!("2"), &json!(["client", "support"])));
    }

    /// T20: one step either side, each once.
    async fn a_code_counts_one_step_either_side_and_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let prove = async |code: &str| {
            let challenge = app.challenge_of(&it.person).await;
            app.second_step(&challenge, "totp", code).await
        };
        for steps in [-3, -2, 2, 3] {
            prove(&it.code_in(&app, steps)).await.assert_problem(401, "invalid_code");
        }
        for steps in [-1, 0, 1] {
            let code = it.code_in(&app, steps);
            prove(&code).await.assert_status(200);
            prove(&code).await.assert_problem(401, "invalid_code");
        }
        // Nothing from before the last one counts.
        prove(&it.code_in(&app, 0)).await.assert_problem(401, "invalid_code");
    }

    async fn of_fifty_rivals_with_one_code_one_signs_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = app.another_node().await;
        let it = app.secured_person().await;
        let mut challenges = Vec::new();
        for _ in 0..10 {
            challenges.push(app.challenge_of(&it.person).await);
        }
        let code = it.code(&app);
        let answers = race::at_once(10, |number| {
            let (node, code) = (if number % 2 == 0 { &app } else { &other }.clone(), code.clone());
            let challenge = challenges[number].clone();
            async move { node.second_step(&challenge, "totp", &code).await.status.as_u16() }
        })
        .await;
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        // And of many with one challenge and one recovery code each, one.
        let challenge = app.challenge_of(&it.person).await;
        let codes = it.recovery_codes.clone();
        let answers = race::at_once(4, |number| {
            let (node, challenge, code) = (app.clone(), challenge.clone(), codes[number].clone());
            async move { node.second_step(&challenge, "recovery_code", &code).await.status.as_u16() }
        })
        .await;
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    }

    /// T21: a sign-in that waits takes five wrong answers, and the account fifteen an hour from devices that are
    /// not known.
    async fn guesses_end_with_the_challenge_and_with_the_hour(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let wrong = wrong_code(&it.code(&app));
        for round in 0..3 {
            let challenge = app.challenge_of(&it.person).await;
            for _ in 0..5 {
                app.second_step(&challenge, "totp", &wrong).await.assert_problem(401, "invalid_code");
            }
            let right = it.code(&app);
            app.second_step(&challenge, "totp", &right).await.assert_problem(429, "too_many_attempts");
            assert_eq!(app.audit_outcomes("mfa.refused").await.len(), 5 * (round + 1));
            // The owner is told of the first at once; the others wait for their summary.
            app.settle_messages().await;
            assert_eq!(app.messages_about(&it.person.identifier, "Wrong codes").await.len(), 1);
        }
        let challenge = app.challenge_of(&it.person).await;
        let right = it.code(&app);
        app.second_step(&challenge, "totp", &right).await.assert_problem(429, "too_many_attempts");
        // The owner, on a device that is known, is counted apart.
        let (email, password) = (&it.person.identifier, &it.person.password);
        let asked = app.log_in_from(&it.person.device_token, email, password).await;
        let challenge = asked.text_of("/challenge_id");
        app.second_step(&challenge, "totp", &it.code(&app)).await.assert_status(200);
        app.advance_seconds(3600);
        let challenge = app.challenge_of(&it.person).await;
        app.second_step(&challenge, "totp", &it.code(&app)).await.assert_status(200);
    }

    /// Answers that tell whether the guess was right.
    async fn of_many_guesses_at_once_a_sign_in_judges_five(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        for with_the_right_one in [false, true, true] {
            let challenge = app.challenge_of(&it.person).await;
            let right = it.code(&app);
            let wrong = wrong_code(&right);
            let statuses = race::at_once(20, |number| {
                let (app, challenge) = (app.clone(), challenge.clone());
                let is_right = with_the_right_one && number == 10;
                let code = if is_right { &right } else { &wrong }.clone();
                async move { app.second_step(&challenge, "totp", &code).await.status.as_u16() }
            })
            .await;
            let of = |status| statuses.iter().filter(|it| **it == status).count();
            if with_the_right_one && of(200) == 1 {
                // It was among the first five; to those that came later the sign-in is over.
                assert_eq!(of(401) + of(429), 19, "{statuses:?}");
            } else {
                assert_eq!((of(401), of(429)), (5, 15), "{statuses:?}");
            }
            app.advance_seconds(3600);
        }
    }

    async fn of_many_guesses_at_once_the_hour_judges_what_it_has_room_for(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        for _ in 0..3 {
            let right = it.code(&app);
            let wrong = wrong_code(&right);
            for guesses in [5, 5, 4] {
                let challenge = app.challenge_of(&it.person).await;
                for _ in 0..guesses {
                    app.second_step(&challenge, "totp", &wrong).await.assert_problem(401, "invalid_code");
                }
            }
            let mut challenges = Vec::new();
            for _ in 0..10 {
                challenges.push(app.challenge_of(&it.person).await);
            }
            let statuses = race::at_once(10, |number| {
                let (app, challenge) = (app.clone(), challenges[number].clone());
                let code = if number == 5 { &right } else { &wrong }.clone();
                async move { app.second_step(&challenge, "totp", &code).await.status.as_u16() }
            })
            .await;
            let judged = statuses.iter().filter(|status| **status != 429).count();
            assert_eq!(judged, 1, "one is left: {statuses:?}");
            app.advance_seconds(3600);
        }
    }

    /// T22.
    async fn a_recovery_code_stands_in_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        assert_eq!(it.recovery_codes.len(), 10);
        let code = &it.recovery_codes[0];
        let challenge = app.challenge_of(&it.person).await;
        let typed = code.to_lowercase().replace('-', " ");
        app.second_step(&challenge, "recovery_code", &typed).await.assert_status(200);
        app.second_step(&challenge, "recovery_code", &it.recovery_codes[1]).await.assert_problem(401, "invalid_code");
        let challenge = app.challenge_of(&it.person).await;
        app.second_step(&challenge, "recovery_code", code).await.assert_problem(401, "invalid_code");
        app.second_step(&challenge, "recovery_code", &it.recovery_codes[1]).await.assert_status(200);
        assert_eq!(app.audit_outcomes("mfa.recovery_code_used").await, ["success", "success"]);
    }

    async fn a_code_is_sent_as_second_factor_but_not_the_way_the_first_came(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let email = &it.person.identifier;
        let challenge = app.challenge_of(&it.person).await;
        let body = json!({"challenge_id": challenge});
        let sent = app.post("/api/v1/auth/mfa/otp", &body).await;
        sent.assert_status(202);
        assert_eq!(sent.data()["channel"], "email");
        let code = app.nth_code_sent_to(email, 2).await;
        app.second_step(&challenge, "otp", &wrong_code(&code)).await.assert_problem(401, "invalid_code");
        app.second_step(&challenge, "otp", &code).await.assert_status(200);
        app.second_step(&challenge, "otp", &code).await.assert_problem(401, "invalid_code");
        // After a sign-in by code, the same mailbox proves nothing more.
        app.advance_seconds(60);
        let begun = app.post("/api/v1/auth/login/otp", &json!({"identifier": email})).await;
        let code = app.nth_code_sent_to(email, 3).await;
        let asked = app.verify(&begun.text_of("/challenge_id"), &code).await;
        asked.assert_status(200);
        assert_eq!(methods(&asked), ["totp", "recovery_code"]);
        let challenge = asked.text_of("/challenge_id");
        let body = json!({"challenge_id": challenge});
        app.post("/api/v1/auth/mfa/otp", &body).await.assert_problem(403, "second_factor_not_allowed");
        app.second_step(&challenge, "otp", "000000").await.assert_problem(403, "second_factor_not_allowed");
        app.second_step(&challenge, "totp", &it.code(&app)).await.assert_status(200);
    }

    /// T49: a reset gives no session, keeps the second factor, and the mailbox that reset the password is no
    /// second factor beside it.
    async fn a_reset_keeps_the_second_factor_and_lends_it_no_mailbox(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let email = &it.person.identifier;
        let begun = app.post("/api/v1/auth/password/reset", &json!({"identifier": email})).await;
        let code = app.nth_code_sent_to(email, 2).await;
        let body = json!({
            "challenge_id": begun.text_of("/challenge_id"), "code": code, "new_password": OTHER_PASSWORD,
        });
        let reset = app.post("/api/v1/auth/password/reset/confirm", &body).await;
        reset.assert_status(200);
        assert!(reset.data().get("tokens").is_none());
        let asked = app.log_in(email, OTHER_PASSWORD).await;
        assert_eq!(methods(&asked), ["totp", "recovery_code"]);
        let answer = app.second_step(&asked.text_of("/challenge_id"), "totp", &it.code(&app)).await;
        answer.assert_status(200);
        // A password that its owner chose, knowing the old one, is something the mailbox does not give.
        let body = json!({"current_password": OTHER_PASSWORD, "new_password": it.person.password});
        let tokens = Tokens::of(&answer);
        app.post_as(&tokens.access, "/api/v1/auth/password/change", &body).await.assert_status(200);
        let asked = app.log_in(email, &it.person.password).await;
        assert_eq!(methods(&asked), ["totp", "otp", "recovery_code"]);
    }

    async fn a_waiting_sign_in_dies_with_its_time_and_with_a_change_of_the_account(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let late = app.challenge_of(&it.person).await;
        app.advance_seconds(600);
        app.second_step(&late, "totp", &it.code(&app)).await.assert_problem(401, "invalid_code");
        let stale = app.challenge_of(&it.person).await;
        let answer = app.second_step(&app.challenge_of(&it.person).await, "totp", &it.code(&app)).await;
        let body = json!({"current_password": it.person.password, "new_password": OTHER_PASSWORD});
        let access = Tokens::of(&answer).access;
        app.post_as(&access, "/api/v1/auth/password/change", &body).await.assert_status(200);
        app.advance_seconds(60);
        app.second_step(&stale, "totp", &it.code(&app)).await.assert_problem(401, "invalid_code");
        for junk in ["00000000000000000000000000000000", "x"] {
            app.second_step(junk, "totp", "123456").await.assert_problem(401, "invalid_code");
        }
    }

    async fn no_closed_account_completes_a_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let Secured { person, recovery_codes, .. } = &app.secured_person().await;
        for (status, code) in ["suspended", "deleted", "pending"].iter().zip(recovery_codes) {
            app.set_account_status(&person.id, "active").await;
            let challenge = app.challenge_of(person).await;
            app.set_account_status(&person.id, status).await;
            app.second_step(&challenge, "recovery_code", code).await.assert_problem(401, "invalid_code");
        }
    }

    async fn a_remembered_device_skips_the_second_factor_for_thirty_days(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let (email, password) = (&it.person.identifier, &it.person.password);
        let challenge = app.challenge_of(&it.person).await;
        let remember = json!({"remember_device": true});
        let answer = app.second_step_with(&challenge, "totp", &it.code(&app), remember).await;
        answer.assert_status(200);
        let device = answer.text_of("/device_token");
        let from = async |device: &str| {
            let answer = app.log_in_from(device, email, password).await;
            answer.assert_status(200);
            answer.data()["status"].as_str().unwrap().to_owned()
        };
        assert_eq!(from(&device).await, "authenticated");
        // Another known device is asked, and so is a token that is not ours.
        assert_eq!(from(&it.person.device_token).await, "mfa_required");
        assert_eq!(from(&format!("{device}x")).await, "mfa_required");
        app.advance(time::Duration::days(30));
        assert_eq!(from(&device).await, "mfa_required");
    }

    async fn what_cannot_be_a_proof_is_refused_unheard(engine: Engine) {
        let app = TestApp::start(engine).await;
        let path = "/api/v1/auth/mfa/verify";
        let challenge = "00000000000000000000000000000000";
        for (body, status) in [
            (json!({}), 400),
            (json!({"challenge_id": challenge, "method": "face", "code": "123456"}), 400),
            (json!({"challenge_id": challenge, "method": "webauthn", "code": "123456"}), 400),
            (json!({"challenge_id": challenge, "method": "totp", "code": 123_456}), 400),
            (json!({"challenge_id": challenge, "method": "totp", "code": "123456", "more": 1}), 400),
            (json!({"challenge_id": challenge, "method": "totp", "code": "12345"}), 422),
            (json!({"challenge_id": challenge, "method": "otp", "code": "abcdef"}), 422),
            (json!({"challenge_id": challenge, "method": "recovery_code", "code": "123456"}), 422),
            (json!({"challenge_id": "", "method": "totp", "code": "123456"}), 422),
        ] {
            let answer = app.post(path, &body).await;
            assert_eq!(answer.status.as_u16(), status, "{body}");
        }
    }
}
