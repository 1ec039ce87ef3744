//! How calls of people who are signed in are counted.

use api_http::routes::{self, Method, Sends};
use serde_json::json;

use crate::{
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD, Tokens},
};

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
                let body = json!({"password": PASSWORD});
                app.post_as(&access, "/api/v1/auth/reauthenticate", &body).await
            }
        };
        let mut access = person.tokens.access.clone();
        for _ in 0..20 {
            let answer = prove(access.clone()).await;
            answer.assert_status(200);
            access = Tokens::of(&answer).access;
        }
        let before = app.counters().hashes;
        prove(access.clone()).await.assert_problem(429, "rate_limited");
        let change = app.change_password(&access, PASSWORD, OTHER_PASSWORD).await;
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

    /// Each by itself, whatever the calls lead to.
    async fn every_route_that_sends_has_a_limit_of_its_own_for_an_account(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut limited = 0;
        for spec in routes::all() {
            let Sends::ByAccount(quota) = spec.sends else { continue };
            let (person, other) = (app.register_person().await, app.register_person().await);
            app.settle_messages().await;
            let path = spec.path.replace("{id}", "00000000-0000-7000-8000-000000000000").replace("{name}", "google");
            let call = async |access: &str| {
                let request = app.request(spec.method.as_http().as_str(), &path).bearer_auth(access);
                let request = if spec.method == Method::Post { request.json(&json!({})) } else { request };
                app.send(request).await
            };
            for used in 1..=quota.calls {
                let answer = call(person.tokens.access.as_str()).await;
                assert_ne!(answer.status, 429, "{spec:?}, call {used}: {answer:?}");
                let standing = answer.header("ratelimit").unwrap();
                let left = format!(r#""sending";r={};"#, quota.calls - used);
                assert!(standing.contains(&left), "{spec:?}: {standing}");
                // Where a minute has a limit too, which is smaller.
                if used % 20 == 0 {
                    app.advance_seconds(61);
                }
            }
            let refused = call(person.tokens.access.as_str()).await;
            refused.assert_problem(429, "rate_limited");
            let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=3_660).contains(&wait), "{spec:?}: {wait}");
            assert_eq!(app.count("outbox_messages").await, 0, "{spec:?}");
            // Neither another account's calls nor the other routes are counted with it.
            assert_ne!(call(other.tokens.access.as_str()).await.status, 429, "{spec:?}");
            app.me(&person.tokens.access).await.assert_status(200);
            limited += 1;
        }
        assert!(limited >= 11, "{limited}");
    }

    /// Forty tries a minute from elsewhere: the owner's device gets in each time.
    async fn strangers_calls_hold_no_known_device_back(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let mut refused = 0;
        for _ in 0..12 {
            for _ in 0..4 {
                let strangers = app.log_in(&person.identifier, OTHER_PASSWORD).await;
                refused += u32::from(strangers.json()["code"] == "rate_limited");
            }
            let own = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
            own.assert_status(200);
        }
        assert_eq!(refused, 48 - 20, "the window of the identifier is for strangers");
        let policy = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
        assert_eq!(policy.header("ratelimit-policy"), Some(r#""device";q=20;w=60"#));
    }

    async fn a_known_device_has_a_window_of_its_own(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for _ in 0..20 {
            let own = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
            own.assert_status(200);
        }
        let own = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
        own.assert_problem(429, "rate_limited");
        // It used up nothing of the identifier's.
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
    }

    /// Tokens that anybody can write buy no calls: once it is known that they prove nothing, the attempt counts for
    /// the identifier, known or not, before anything is hashed.
    async fn made_up_device_tokens_buy_no_calls(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let other = app.register_person().await;
        for identifier in [person.identifier.clone(), app.fresh_email()] {
            let before = app.counters().hashes;
            let mut refused = 0;
            for number in 0..30 {
                let token = match number {
                    0 => other.device_token.clone(),
                    _ => format!("fa_dt_v1.{number:032x}.bWFj"),
                };
                let answer = app.log_in_from(&token, &identifier, OTHER_PASSWORD).await;
                if answer.json()["code"] == "rate_limited" {
                    refused += 1;
                    let policy = answer.header("ratelimit-policy").unwrap();
                    assert!(policy.contains(r#""subject";q=20;w=60"#), "{policy}");
                    assert!(answer.header("retry-after").is_some());
                }
            }
            assert_eq!(refused, 10);
            assert_eq!(app.counters().hashes - before, 5, "then the lock was there");
            let body = json!({"identifier": identifier, "password": PASSWORD});
            app.post("/api/v1/auth/login", &body).await.assert_problem(429, "rate_limited");
        }
    }
}
