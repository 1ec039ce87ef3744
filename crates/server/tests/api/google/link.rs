//! Linking and unlinking.

use serde_json::json;
use testkit::race;

use super::{Bed, LINK, LINK_OPTIONS};
use crate::{
    answer::Answer,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

testkit::on_every_engine! {
    async fn google_is_linked_by_proof_of_both_sides(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let person = app.register_person().await;
        // The address at Google may be another one: both are proven.
        bed.link(&person.tokens.access, "1", "other@example.com").await.assert_status(200);
        assert_eq!(app.audit_outcomes("federation.linked").await, ["success"]);
        assert!(app.event_types().await.contains(&"com.fashionistar.auth.federation.linked.v1".to_owned()));
        let entered = bed.enter("1", "other@example.com").await;
        entered.assert_status(200);
        assert_eq!(entered.text_of("/user/id"), person.id);
        // Once more changes nothing.
        bed.link(&person.tokens.access, "1", "other@example.com").await.assert_status(200);
        assert_eq!(app.audit_outcomes("federation.linked").await, ["success"]);
    }

    async fn one_google_account_opens_one_account(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let (ada, eve) = (app.register_person().await, app.register_person().await);
        bed.link(&ada.tokens.access, "1", "a@example.com").await.assert_status(200);
        bed.link(&eve.tokens.access, "1", "a@example.com").await.assert_problem(409, "already_linked");
        bed.link(&ada.tokens.access, "2", "b@example.com").await.assert_problem(409, "already_linked");
        assert_eq!(app.count("federated_identities").await, 1);
        assert_eq!(bed.enter("1", "a@example.com").await.text_of("/user/id"), ada.id);
        let mut outcomes = app.audit_outcomes("federation.linked").await;
        outcomes.sort();
        assert_eq!(outcomes, ["already_linked", "already_linked", "success"]);
    }

    async fn linking_asks_for_a_token_that_counts(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        let good = bed.claims_with(&bed.nonce_of(access).await, "1", &person.identifier);
        for (claim, value) in [
            ("aud", json!("other")), ("nonce", json!("0".repeat(32))), ("email_verified", json!(false)), ("exp", json!(1)),
        ] {
            let mut claims = good.clone();
            claims[claim] = value;
            let body = json!({"id_token": bed.double.token(&claims)});
            app.post_as(access, LINK, &body).await.assert_problem(401, "invalid_credentials");
        }
        assert_eq!(app.count("federated_identities").await, 0);
        let mut refused = app.audit_outcomes("federation.linked").await;
        refused.sort();
        assert_eq!(refused, ["audience", "email_not_verified", "time", "unknown_nonce"]);
        let body = json!({"id_token": bed.double.token(&good)});
        app.post(LINK, &body).await.assert_problem(401, "unauthenticated");
        app.post_as(access, LINK, &body).await.assert_status(200);
    }

    /// An ID token whose nonce somebody else asked for, or the person themselves somewhere else, links nothing.
    async fn a_nonce_for_linking_counts_in_the_session_that_asked_for_it(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let (victim, thief) = (app.register_person().await, app.register_person().await);
        let access = &victim.tokens.access;
        let elsewhere = Tokens::of(&app.log_in(&victim.identifier, PASSWORD).await);
        for nonce in [
            bed.nonce().await,
            bed.nonce_of(&thief.tokens.access).await,
            bed.nonce_of(&elsewhere.access).await,
        ] {
            let claims = bed.claims_with(&nonce, "thief", "t@example.com");
            let body = json!({"id_token": bed.double.token(&claims)});
            app.post_as(access, LINK, &body).await.assert_problem(401, "invalid_credentials");
            app.reauthenticate(access, &body).await.assert_problem(401, "invalid_credentials");
        }
        assert_eq!(app.count("federated_identities").await, 0);
        // Nor does one of a session sign anybody in, whether or not they have an account; it is not used up by that.
        let nonce = bed.nonce_of(access).await;
        let claims = bed.claims_with(&nonce, "1", "new@example.com");
        bed.enter_with(&claims).await.assert_problem(401, "invalid_credentials");
        bed.link(&thief.tokens.access, "2", "two@example.com").await.assert_status(200);
        let known = bed.claims_with(&nonce, "2", "two@example.com");
        bed.enter_with(&known).await.assert_problem(401, "invalid_credentials");
        let body = json!({"id_token": bed.double.token(&claims)});
        app.post_as(access, LINK, &body).await.assert_status(200);
        app.post_as(access, LINK, &body).await.assert_problem(401, "invalid_credentials");
        app.send(app.request("POST", LINK_OPTIONS)).await.assert_problem(401, "unauthenticated");
        assert_eq!(app.count("accounts").await, 2);
    }

    async fn a_nonce_for_linking_counts_once_for_ten_minutes_and_with_its_device(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        let body_of = |nonce: &str| {
            let claims = bed.claims_with(nonce, "1", "a@example.com");
            json!({"id_token": bed.double.token(&claims)})
        };
        let old = bed.nonce_of(access).await;
        app.advance_seconds(600);
        let access = Tokens::of(&app.refresh(&person.tokens.refresh).await).access;
        app.reauthenticate(&access, &body_of(&old)).await.assert_problem(401, "invalid_credentials");
        let access = Tokens::of(&app.log_in(&person.identifier, PASSWORD).await).access;
        let asked = app.request("POST", LINK_OPTIONS).bearer_auth(&access)
            .header("X-Device-Token", &person.device_token);
        let nonce = app.send(asked).await.text_of("/nonce");
        app.post_as(&access, LINK, &body_of(&nonce)).await.assert_problem(401, "invalid_credentials");
        let linking = app.post_request(LINK, &body_of(&nonce)).bearer_auth(&access)
            .header("X-Device-Token", &person.device_token);
        app.send(linking).await.assert_status(200);
    }

    /// Who has nothing but Google proves again with it.
    async fn the_linked_identity_proves_again_who_one_is(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let tokens = bed.newcomer("1", "ada@example.com").await;
        app.advance_seconds(601);
        let access = Tokens::of(&app.refresh(&tokens.refresh).await).access;
        let refused = app.delete_as(&access, LINK).await;
        refused.assert_problem(403, "reauthentication_required");
        assert_eq!(refused.json()["methods"], json!(["id_token"]));
        // Somebody else's identity, one that nobody has, and the right one with a nonce that signs in.
        bed.newcomer("2", "eve@example.com").await;
        for (subject, email) in [("2", "eve@example.com"), ("3", "ada@example.com")] {
            let proof = bed.proof_in(&access, subject, email).await;
            app.reauthenticate(&access, &proof).await.assert_problem(401, "invalid_credentials");
            // It is used up all the same.
            let outcomes = app.audit_outcomes("session.reauthenticated").await;
            assert_eq!(outcomes.last().unwrap(), "another_identity");
        }
        let claims = bed.claims("1", "ada@example.com").await;
        let stolen = json!({"id_token": bed.double.token(&claims)});
        app.reauthenticate(&access, &stolen).await.assert_problem(401, "invalid_credentials");
        app.delete_as(&access, LINK).await.assert_problem(403, "reauthentication_required");
        let mut both = bed.proof_in(&access, "1", "ada@example.com").await;
        both["password"] = PASSWORD.into();
        app.reauthenticate(&access, &both).await.assert_problem(422, "validation_failed");
        let proof = bed.proof_in(&access, "1", "ada@example.com").await;
        let renewed = app.reauthenticate(&access, &proof).await;
        renewed.assert_status(200);
        let access = Tokens::of(&renewed).access;
        // Recent by now: the rest is what the rule of the last way in says.
        app.delete_as(&access, LINK).await.assert_problem(409, "last_way_in");
        app.reauthenticate(&access, &proof).await.assert_problem(401, "invalid_credentials");
    }

    /// The nonce counts once, and the requests are one.
    async fn of_one_identity_at_once_with_one_key_all_have_one_answer(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let tokens = bed.newcomer("1", "ada@example.com").await;
        let proof = bed.proof_in(&tokens.access, "1", "ada@example.com").await;
        let answers = race::at_once(5, |_| {
            let request = app.post_request("/api/v1/auth/reauthenticate", &proof).bearer_auth(&tokens.access);
            let (app, request) = (app.clone(), request.header("Idempotency-Key", "one"));
            async move { app.send(request).await }
        })
        .await;
        Answer::assert_one(&answers);
        assert_eq!(app.audit_outcomes("session.reauthenticated").await, ["success"]);
    }

    async fn linking_and_unlinking_ask_for_a_recent_sign_in(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let person = app.register_person().await;
        app.advance_seconds(601);
        let tokens = Tokens::of(&app.refresh(&person.tokens.refresh).await);
        bed.link(&tokens.access, "1", "a@example.com").await.assert_problem(403, "reauthentication_required");
        app.delete_as(&tokens.access, LINK).await.assert_problem(403, "reauthentication_required");
        assert_eq!(app.count("federated_identities").await, 0);
        let fresh = Tokens::of(&app.log_in(&person.identifier, PASSWORD).await);
        bed.link(&fresh.access, "1", "a@example.com").await.assert_status(200);
    }

    async fn unlinking_takes_the_way_in_away_and_ends_the_other_sessions(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        app.delete_as(access, LINK).await.assert_problem(404, "not_found");
        bed.link(access, "1", "a@example.com").await.assert_status(200);
        let thief = Tokens::of(&bed.enter("1", "a@example.com").await);
        app.delete_as(access, LINK).await.assert_status(200);
        app.me(&thief.access).await.assert_problem(401, "invalid_token");
        app.me(access).await.assert_status(200);
        assert_eq!(app.audit_outcomes("federation.unlinked").await, ["success"]);
        assert!(app.event_types().await.contains(&"com.fashionistar.auth.federation.unlinked.v1".to_owned()));
        // Whoever comes with it now is a stranger.
        let stranger = bed.enter("1", "a@example.com").await;
        stranger.assert_status(201);
        assert_ne!(stranger.text_of("/user/id"), person.id);
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
    }

    /// Whoever has nothing else keeps it until they set a password, by a code that proves the address to us.
    async fn the_last_way_in_stays(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let email = app.fresh_email();
        let tokens = bed.newcomer("1", &email).await;
        app.delete_as(&tokens.access, LINK).await.assert_problem(409, "last_way_in");
        assert_eq!(app.count("federated_identities").await, 1);
        assert_eq!(app.audit_outcomes("federation.unlinked").await, ["last_way_in"]);
        let challenge = app.post("/api/v1/auth/password/reset", &json!({"identifier": email})).await;
        let code = app.code_sent_to(&email).await;
        let body = json!({
            "challenge_id": challenge.text_of("/challenge_id"), "code": code, "new_password": OTHER_PASSWORD,
        });
        app.post("/api/v1/auth/password/reset/confirm", &body).await.assert_status(200);
        let tokens = Tokens::of(&app.log_in(&email, OTHER_PASSWORD).await);
        app.delete_as(&tokens.access, LINK).await.assert_status(200);
        app.log_in(&email, OTHER_PASSWORD).await.assert_status(200);
    }

    async fn links_at_once_of_one_google_account_have_one_success(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let mut rivals = Vec::new();
        for _ in 0..10 {
            let person = app.register_person().await;
            let proof = bed.proof_in(&person.tokens.access, "1", "a@example.com").await;
            rivals.push((person.tokens.access, proof));
        }
        let statuses = race::at_once(rivals.len(), |number| {
            let (app, (access, body)) = (app.clone(), rivals[number].clone());
            async move { app.post_as(&access, LINK, &body).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
        assert_eq!(app.count("federated_identities").await, 1);
    }

    /// A session that a thief holds cannot leave a way in behind once its owner set a new password.
    async fn a_link_does_not_outrun_a_reset(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let person = app.register_person().await;
        let proof = bed.proof_in(&person.tokens.access, "thief", "t@example.com").await;
        let challenge = app.post("/api/v1/auth/password/reset", &json!({"identifier": person.identifier})).await;
        let code = app.nth_code_sent_to(&person.identifier, 2).await;
        let body = json!({
            "challenge_id": challenge.text_of("/challenge_id"), "code": code, "new_password": OTHER_PASSWORD,
        });
        app.post("/api/v1/auth/password/reset/confirm", &body).await.assert_status(200);
        let late = app.post_as(&person.tokens.access, LINK, &proof).await;
        late.assert_problem(401, "invalid_token");
        assert_eq!(app.count("federated_identities").await, 0);
    }
}
