//! How calls of people who are signed in are counted.

use crate::app::TestApp;

testkit::on_every_engine! {
    async fn a_signed_in_call_is_counted_by_address_and_for_the_account(engine: Engine) {
        let app = TestApp::start_limited(engine).await;
        let person = app.register_person().await;
        let policy = r#""address";q=1200;w=60, "subject";q=600;w=60"#;
        for used in 1..=3 {
            let answer = app.me(&person.tokens.access).await;
            answer.assert_status(200);
            assert_eq!(answer.header("ratelimit-policy"), Some(policy));
            let standing = answer.header("ratelimit").unwrap();
            let (by_address, for_account) = (1_200 - used, 600 - used);
            assert!(standing.starts_with(&format!(r#""address";r={by_address};"#)), "{standing}");
            assert!(standing.contains(&format!(r#""subject";r={for_account};"#)), "{standing}");
        }
    }

    async fn calls_that_hash_have_limits_of_their_own(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (person, other) = (app.register_person().await, app.register_person().await);
        let prove = |access: String| {
            let app = app.clone();
            async move {
                let body = serde_json::json!({"password": crate::person::PASSWORD});
                app.post_as(&access, "/api/v1/auth/reauthenticate", &body).await
            }
        };
        let mut access = person.tokens.access.clone();
        for _ in 0..20 {
            let answer = prove(access.clone()).await;
            answer.assert_status(200);
            access = crate::person::Tokens::of(&answer).access;
        }
        let before = app.counters().hashes;
        prove(access.clone()).await.assert_problem(429, "rate_limited");
        let change = app.change_password(&access, crate::person::PASSWORD, crate::person::OTHER_PASSWORD).await;
        change.assert_problem(429, "rate_limited");
        assert_eq!(app.counters().hashes, before);
        app.me(&access).await.assert_status(200);
        prove(other.tokens.access.clone()).await.assert_status(200);
    }

    async fn an_account_has_its_limit_of_calls(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (person, other) = (app.register_person().await, app.register_person().await);
        for _ in 0..600 {
            app.me(&person.tokens.access).await.assert_status(200);
        }
        app.me(&person.tokens.access).await.assert_problem(429, "rate_limited");
        app.me(&other.tokens.access).await.assert_status(200);
    }

    async fn whoever_is_not_recognised_is_counted_by_address_alone(engine: Engine) {
        let app = TestApp::start_limited(engine).await;
        let person = app.register_person().await;
        let broken = person.tokens.access.to_uppercase();
        for used in 1..=2 {
            let answer = app.me(&broken).await;
            answer.assert_problem(401, "invalid_token");
            assert_eq!(answer.header("ratelimit-policy"), Some(r#""address";q=1200;w=60"#));
            let left = format!(r#""address";r={};"#, 1_200 - used);
            assert!(answer.header("ratelimit").unwrap().starts_with(&left), "{answer:?}");
        }
        let nobody = app.get("/api/v1/me").await;
        nobody.assert_problem(401, "unauthenticated");
        assert!(nobody.header("ratelimit").unwrap().starts_with(r#""address";r=1197;"#));
    }

    async fn the_token_of_an_ended_session_uses_up_none_of_its_owners_calls(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let before = app.me(&person.tokens.access).await;
        let ended = app.request("POST", "/api/v1/auth/logout").bearer_auth(&person.tokens.access);
        app.send(ended).await.assert_status(200);
        for _ in 0..5 {
            app.me(&person.tokens.access).await.assert_problem(401, "invalid_token");
        }
        let again = app.log_in(&person.identifier, &person.password).await;
        let token = again.text_of("/tokens/access_token");
        let after = app.me(&token).await;
        assert!(before.header("ratelimit").unwrap().contains("r=599"), "{before:?}");
        // The call that logged out, and this one.
        assert!(after.header("ratelimit").unwrap().contains("r=597"), "{after:?}");
    }
}
