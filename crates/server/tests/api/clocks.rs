//! Two nodes on one database whose machines' clocks are three minutes apart (ADR 0054).

use std::time::Duration as StdDuration;

use adapters_crypto::SystemTicks;
use authentication_app::ports::Ticks;
use serde_json::json;
use testkit::Engine;
use time::{Duration, OffsetDateTime};

use crate::{
    app::TestApp,
    person::{PASSWORD, Person, Tokens},
};

/// A machine whose clock is wrong.
struct Off(SystemTicks, Duration);

impl Ticks for Off {
    fn wall(&self) -> OffsetDateTime {
        self.0.wall() + self.1
    }

    fn elapsed(&self) -> StdDuration {
        self.0.elapsed()
    }
}

fn off_by(seconds: i64) -> Box<dyn Ticks> {
    Box::new(Off(SystemTicks::new(), Duration::seconds(seconds)))
}

/// What readiness says of the node's clock.
async fn clock_of(node: &TestApp) -> serde_json::Value {
    let ready = node.get("/health/ready").await;
    ready.assert_status(200);
    let ready = ready.json();
    assert_eq!(ready["status"], "degraded");
    let dependencies = ready["dependencies"].as_array().unwrap().clone();
    let mut clocks = dependencies.into_iter().filter(|it| it["name"] == "clock");
    clocks.next().unwrap()
}

#[tokio::test]
async fn nobody_notices_that_the_clocks_of_two_nodes_are_three_minutes_apart() {
    let ahead = TestApp::start_on(Engine::Production, off_by(90)).await;
    let behind = ahead.another_node_on(off_by(-90)).await;

    for (asked, proven) in [(&ahead, &behind), (&behind, &ahead)] {
        // A code that is asked for here and proven there.
        let email = ahead.fresh_email();
        let challenge = asked.ask_to_register(&email, PASSWORD).await;
        challenge.assert_status(202);
        let code = asked.code_sent_to(&email).await;
        let registered = proven
            .verify(&challenge.text_of("/challenge_id"), &code)
            .await;
        registered.assert_status(201);
        let person = Person::signed_in(&email, PASSWORD, &registered);

        // Refreshed back and forth, each answer lost once, and used at the other node.
        let mut tokens = person.tokens.clone();
        for round in 0..6 {
            let (first, second) = if round % 2 == 0 {
                (asked, proven)
            } else {
                (proven, asked)
            };
            first.me(&tokens.access).await.assert_status(200);
            second.me(&tokens.access).await.assert_status(200);
            let lost = first.refresh(&tokens.refresh).await;
            lost.assert_status(200);
            let repeated = second.refresh(&tokens.refresh).await;
            repeated.assert_status(200);
            let (lost, next) = (Tokens::of(&lost), Tokens::of(&repeated));
            assert_eq!(lost.refresh, next.refresh, "the same successor");
            tokens = next;
        }

        // A step-up, and what it allows at the other node.
        let proof = json!({"password": PASSWORD});
        let stepped = asked
            .post_as(&tokens.access, "/api/v1/auth/reauthenticate", &proof)
            .await;
        stepped.assert_status(200);
        let tokens = Tokens::of(&stepped);
        proven
            .post_as(&tokens.access, "/api/v1/me/mfa/totp", &json!(null))
            .await
            .assert_status(200);
        let tokens = Tokens::of(&proven.refresh(&tokens.refresh).await);

        asked
            .post_as(&tokens.access, "/api/v1/auth/logout", &json!(null))
            .await
            .assert_status(200);
        proven
            .me(&tokens.access)
            .await
            .assert_problem(401, "invalid_token");
        proven.log_in(&email, PASSWORD).await.assert_status(200);
    }
    assert_eq!(ahead.audit_outcomes("session.refresh_reuse").await, [""; 0]);

    for (node, cause) in [(&ahead, "clock_ahead"), (&behind, "clock_behind")] {
        let expected = json!({
            "name": "clock", "state": "degraded", "required": false, "causes": [cause]
        });
        assert_eq!(clock_of(node).await, expected);
    }
}
