//! Changing a password, and setting one anew.

use serde_json::{Value, json};
use testkit::race;

use crate::{
    answer::Answer,
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD, Person, Tokens},
};

impl TestApp {
    pub(crate) async fn change_password(&self, access: &str, current: &str, new: &str) -> Answer {
        let body = json!({"current_password": current, "new_password": new});
        self.post_as(access, "/api/v1/auth/password/change", &body)
            .await
    }

    /// Asks for a reset, and answers with the challenge and the message.
    async fn ask_to_reset(&self, person: &Person) -> (String, Value) {
        let before = self.codes_to(&person.identifier, 0).await.len();
        let body = json!({"identifier": person.identifier});
        let challenge = self.post("/api/v1/auth/password/reset", &body).await;
        challenge.assert_status(202);
        let messages = self.codes_to(&person.identifier, before + 1).await;
        (challenge.text_of("/challenge_id"), messages[0].clone())
    }

    /// Hashes and estimates since `before`.
    fn work_since(&self, before: server::Counters) -> (u64, u64) {
        let now = self.counters();
        (now.hashes - before.hashes, now.estimates - before.estimates)
    }

    async fn confirm_reset(&self, body: &Value) -> Answer {
        self.post("/api/v1/auth/password/reset/confirm", body).await
    }
}

/// Long enough, on no list, and easy to guess.
const GUESSABLE: &str = "abcabcabcabc";

/// What cost more than a second of a core while strength was estimated without a bound.
fn crafted_password() -> String {
    let whole = "a4@b8c({[<e3g69i1!|l7o0s$5t+x%z2".repeat(4);
    whole[..100].to_owned()
}

fn link_token(message: &Value) -> String {
    let text = message["text"].as_str().unwrap();
    let (_, token) = text.split_once("#token=").expect("a link in a reset mail");
    token.split_whitespace().next().unwrap().to_owned()
}

testkit::on_every_engine! {
    async fn a_changed_password_ends_the_other_sessions(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(Tokens::of(&app.log_in(&person.identifier, PASSWORD).await));
        }
        let changed = app.change_password(&person.tokens.access, PASSWORD, OTHER_PASSWORD).await;
        changed.assert_status(200);
        let own = Tokens::of(&changed);
        assert_eq!(own.session, person.tokens.session);
        // V7.2.4: what was stolen before the change ends with it, and says nothing of theft.
        app.me(&person.tokens.access).await.assert_problem(401, "invalid_token");
        app.refresh(&person.tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
        app.me(&own.access).await.assert_status(200);
        app.refresh(&own.refresh).await.assert_status(200);
        for other in &others {
            app.me(&other.access).await.assert_problem(401, "invalid_token");
            app.refresh(&other.refresh).await.assert_problem(401, "invalid_refresh_token");
        }
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(401, "invalid_credentials");
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(200);
        app.message_with(&person.identifier, "password was changed").await;
        assert_eq!(app.audit_outcomes("credential.password_changed").await, ["success"]);
    }

    async fn a_change_needs_the_current_password_and_guesses_are_counted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        for _ in 0..5 {
            app.change_password(access, OTHER_PASSWORD, OTHER_PASSWORD).await
                .assert_problem(403, "invalid_current_password");
        }
        app.change_password(access, PASSWORD, OTHER_PASSWORD).await.assert_problem(429, "account_locked");
        // Whoever guesses through a stolen session does not lock the owner out of signing in.
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        app.advance_seconds(15 * 60);
        let access = Tokens::of(&app.refresh(&person.tokens.refresh).await).access;
        app.change_password(&access, PASSWORD, OTHER_PASSWORD).await.assert_status(200);
    }

    async fn a_weak_new_password_changes_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let answer = app.change_password(&person.tokens.access, PASSWORD, "password123").await;
        answer.assert_status(422);
        assert_eq!(answer.json()["errors"][0]["field"], "new_password");
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
    }

    async fn a_password_that_is_easy_to_guess_changes_nothing_and_is_not_hashed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let before = app.counters();
        let answer = app.change_password(&person.tokens.access, PASSWORD, GUESSABLE).await;
        assert_eq!(answer.assert_problem(422, "validation_failed").json()["errors"][0]["code"], "password_guessable");
        let (challenge, message) = app.ask_to_reset(&person).await;
        let body = json!({"challenge_id": challenge, "code": message["code"], "new_password": GUESSABLE});
        app.confirm_reset(&body).await.assert_problem(422, "validation_failed");
        // Of the change the comparison with the current one, and an estimate of each.
        assert_eq!(app.work_since(before), (1, 2));
        let body = json!({"challenge_id": challenge, "code": message["code"], "new_password": OTHER_PASSWORD});
        app.confirm_reset(&body).await.assert_status(200);
        assert_eq!(app.work_since(before), (2, 3));
    }

    async fn whoever_proves_nothing_has_nothing_estimated(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let crafted = crafted_password();
        let before = app.counters();
        let (challenge, message) = app.ask_to_reset(&person).await;
        let wrong = crate::app::wrong_code(message["code"].as_str().unwrap());
        for body in [
            json!({"token": "0".repeat(32), "new_password": crafted}),
            json!({"challenge_id": "0".repeat(32), "code": "123456", "new_password": crafted}),
            json!({"challenge_id": challenge, "code": wrong, "new_password": crafted}),
        ] {
            app.confirm_reset(&body).await.assert_problem(401, "invalid_code");
        }
        assert_eq!(app.work_since(before), (0, 0));
        // A wrong current password costs its comparison; a locked account nothing.
        for guess in 1..=5 {
            let access = &person.tokens.access;
            app.change_password(access, OTHER_PASSWORD, &crafted).await
                .assert_problem(403, "invalid_current_password");
            assert_eq!(app.work_since(before), (guess, 0));
        }
        app.change_password(&person.tokens.access, PASSWORD, &crafted).await
            .assert_problem(429, "account_locked");
        assert_eq!(app.work_since(before), (5, 0));
    }

    async fn a_registration_is_estimated_once_and_what_is_cheap_to_refuse_never(engine: Engine) {
        let app = TestApp::start(engine).await;
        let before = app.counters();
        for cheap in ["x7$kQ2!", "password123", "Fashionistar2026", "ada.lovelace77"] {
            app.ask_to_register("ada.lovelace@example.com", cheap).await.assert_status(422);
        }
        assert_eq!(app.work_since(before), (0, 0));
        app.ask_to_register("ada.lovelace@example.com", GUESSABLE).await.assert_status(422);
        assert_eq!(app.work_since(before), (0, 1));
        let body = json!({"email": "ada.lovelace@example.com", "password": crafted_password()});
        let ask = || app.post_request("/api/v1/auth/register", &body).header("Idempotency-Key", "one");
        app.send(ask()).await.assert_status(202);
        assert_eq!(app.work_since(before), (1, 2));
        app.send(ask()).await.assert_status(202);
        assert_eq!(app.work_since(before), (1, 2), "the same answer again");
    }

    async fn two_changes_at_once_have_one_success(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passwords = [OTHER_PASSWORD, "violet-Canyon-31-marimba"];
        let statuses = race::at_once(2, |number| {
            let (app, access) = (app.clone(), person.tokens.access.clone());
            async move { app.change_password(&access, PASSWORD, passwords[number]).await.status.as_u16() }
        })
        .await;
        let winners: Vec<usize> = (0..2).filter(|number| statuses[*number] == 200).collect();
        assert_eq!(winners.len(), 1, "{statuses:?}");
        app.log_in(&person.identifier, passwords[winners[0]]).await.assert_status(200);
    }

    async fn no_sign_in_with_the_old_password_outlives_its_change(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let answers = race::at_once(12, |number| {
            let (app, person) = (app.clone(), person.clone());
            async move {
                if number == 0 {
                    app.change_password(&person.tokens.access, PASSWORD, OTHER_PASSWORD).await
                } else {
                    app.log_in(&person.identifier, PASSWORD).await
                }
            }
        })
        .await;
        answers[0].assert_status(200);
        for answer in &answers[1..] {
            if answer.status == 200 {
                app.me(&Tokens::of(answer).access).await.assert_problem(401, "invalid_token");
            } else {
                assert!(matches!(answer.status.as_u16(), 401 | 429 | 503), "{answer:?}");
            }
        }
    }

    async fn a_reset_by_code_ends_every_session_and_gives_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let other = Tokens::of(&app.log_in(&person.identifier, PASSWORD).await);
        let (challenge, message) = app.ask_to_reset(&person).await;
        let body = json!({"challenge_id": challenge, "code": message["code"], "new_password": OTHER_PASSWORD});
        let done = app.confirm_reset(&body).await;
        done.assert_status(200);
        assert!(!done.text.contains("token"), "{done:?}");
        assert_eq!(app.count("devices").await, 0, "a thief's device is no longer known");
        for tokens in [&person.tokens, &other] {
            app.me(&tokens.access).await.assert_problem(401, "invalid_token");
            app.refresh(&tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
        }
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(401, "invalid_credentials");
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(200);
        app.confirm_reset(&body).await.assert_problem(401, "invalid_code");
        assert_eq!(app.audit_outcomes("credential.password_reset").await, ["success"]);
    }

    async fn a_reset_by_link_works_once_and_in_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (_, late) = app.ask_to_reset(&person).await;
        let body = |message: &Value| json!({"token": link_token(message), "new_password": OTHER_PASSWORD});
        app.advance_seconds(30 * 60);
        app.confirm_reset(&body(&late)).await.assert_problem(401, "invalid_code");
        let (_, message) = app.ask_to_reset(&person).await;
        app.confirm_reset(&body(&late)).await.assert_problem(401, "invalid_code");
        let token = link_token(&message);
        for changed in [token.to_uppercase() + "x", token[1..].to_owned(), format!("{token}0"), "0".repeat(32)] {
            let body = json!({"token": changed, "new_password": OTHER_PASSWORD});
            app.confirm_reset(&body).await.assert_problem(401, "invalid_code");
        }
        app.confirm_reset(&body(&message)).await.assert_status(200);
        app.confirm_reset(&body(&message)).await.assert_problem(401, "invalid_code");
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(200);
    }

    async fn fifty_uses_at_once_of_one_link_have_one_success(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (_, message) = app.ask_to_reset(&person).await;
        let token = link_token(&message);
        let statuses = race::at_once(20, |_| {
            let (app, token) = (app.clone(), token.clone());
            async move {
                let body = json!({"token": token, "new_password": OTHER_PASSWORD});
                app.confirm_reset(&body).await.status.as_u16()
            }
        })
        .await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 401 | 409 | 503)), "{statuses:?}");
    }

    async fn a_password_that_fails_the_policy_leaves_the_code_alive(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (challenge, message) = app.ask_to_reset(&person).await;
        let (name, _) = person.identifier.split_once('@').unwrap();
        for weak in ["password123", "short", name] {
            let body = json!({"challenge_id": challenge, "code": message["code"], "new_password": weak});
            app.confirm_reset(&body).await.assert_status(422);
        }
        let body = json!({"challenge_id": challenge, "code": message["code"], "new_password": OTHER_PASSWORD});
        app.confirm_reset(&body).await.assert_status(200);
    }

    async fn a_reset_opens_what_failures_had_locked(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for _ in 0..5 {
            app.log_in(&person.identifier, OTHER_PASSWORD).await;
        }
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(429, "account_locked");
        app.messages_to(&person.identifier, 2).await;
        let (challenge, message) = app.ask_to_reset(&person).await;
        let body = json!({"challenge_id": challenge, "code": message["code"], "new_password": OTHER_PASSWORD});
        app.confirm_reset(&body).await.assert_status(200);
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(200);
    }

    async fn a_suspended_account_stays_suspended_through_a_reset(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.set_account_status(&person.id, "suspended").await;
        let (challenge, message) = app.ask_to_reset(&person).await;
        let body = json!({"challenge_id": challenge, "code": message["code"], "new_password": OTHER_PASSWORD});
        app.confirm_reset(&body).await.assert_status(200);
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_problem(403, "account_suspended");
    }

    async fn one_proof_is_asked_for_and_no_more(engine: Engine) {
        let app = TestApp::start(engine).await;
        for body in [
            json!({"new_password": OTHER_PASSWORD}),
            json!({"token": "x", "challenge_id": "y", "code": "123456", "new_password": OTHER_PASSWORD}),
            json!({"challenge_id": "y", "new_password": OTHER_PASSWORD}),
            json!({"code": "123456", "new_password": OTHER_PASSWORD}),
        ] {
            app.confirm_reset(&body).await.assert_problem(422, "validation_failed");
        }
    }
}
