//! Linking and unlinking.

use serde_json::json;
use testkit::race;

use super::{Bed, LINK};
use crate::person::{OTHER_PASSWORD, PASSWORD, Tokens};

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
        let good = bed.claims("1", &person.identifier).await;
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
            let id_token = bed.double.token(&bed.claims("1", "a@example.com").await);
            rivals.push((person.tokens.access, json!({ "id_token": id_token })));
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
        let id_token = bed.double.token(&bed.claims("thief", "t@example.com").await);
        let challenge = app.post("/api/v1/auth/password/reset", &json!({"identifier": person.identifier})).await;
        let code = app.nth_code_sent_to(&person.identifier, 2).await;
        let body = json!({
            "challenge_id": challenge.text_of("/challenge_id"), "code": code, "new_password": OTHER_PASSWORD,
        });
        app.post("/api/v1/auth/password/reset/confirm", &body).await.assert_status(200);
        let late = app.post_as(&person.tokens.access, LINK, &json!({ "id_token": id_token })).await;
        late.assert_problem(401, "invalid_token");
        assert_eq!(app.count("federated_identities").await, 0);
    }
}
