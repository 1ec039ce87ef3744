//! Somebody who writes the database puts an earlier value of a row back (ADR 0046).

use serde_json::json;

use crate::{
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD},
};

impl TestApp {
    /// Waits until so many messages wait for a person, and no other is left.
    async fn settle_but(&self, parked: i64) {
        let sql = "SELECT count(*) AS n FROM outbox_messages WHERE next_attempt_at IS NULL";
        self.until("what cannot be sent is parked", async || {
            let rows = self.database().rows(sql).await;
            let now_parked: i64 = rows[0].try_get("", "n").unwrap();
            now_parked == parked && self.count("outbox_messages").await == parked
        })
        .await;
    }

    async fn ask_for_reset(&self, identifier: &str) -> String {
        let body = json!({"identifier": identifier});
        let asked = self.post("/api/v1/auth/password/reset", &body).await;
        asked.assert_status(202);
        asked.text_of("/challenge_id")
    }
}

testkit::on_every_engine! {
    /// The address before gets neither a code nor a notice, and opens nothing.
    async fn an_identifier_that_was_put_back_reaches_nobody(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (before, after) = (person.identifier.clone(), app.fresh_email());
        app.database().execute("CREATE TABLE kept AS SELECT id, identifier FROM accounts").await;
        app.change_identifier(&person.tokens.access, &after).await.assert_status(200);
        app.settle_messages().await;
        app.advance_seconds(61);
        app.ask_for_reset(&after).await;
        app.codes_to(&after, 2).await;
        app.settle_messages().await;

        let put_back = "UPDATE accounts SET identifier = \
            (SELECT k.identifier FROM kept k WHERE k.id = accounts.id)";
        app.database().execute(put_back).await;
        let reached = [app.mailbox(&before).await.len(), app.mailbox(&after).await.len()];
        app.advance_seconds(61);
        app.ask_for_reset(&after).await;
        app.ask_for_reset(&before).await;
        // A notice to the account, whoever asks: a password that was wrong too often.
        for _ in 0..5 {
            app.log_in(&after, "wrong-Harbour-42-zeppelin").await.assert_status(401);
        }
        app.settle_but(2).await;
        let now_reached = [app.mailbox(&before).await.len(), app.mailbox(&after).await.len()];
        assert_eq!(now_reached, reached, "nobody gets anything");
        let metrics = app.metrics_text().await;
        let parked = r#"auth_messages_total{channel="none",outcome="parked"} 2"#;
        assert!(metrics.contains(parked), "{metrics}");
        app.advance_seconds(15 * 60 + 1);
        app.log_in(&after, PASSWORD).await.assert_problem(500, "internal_error");
        app.log_in(&before, PASSWORD).await.assert_problem(401, "invalid_credentials");
    }

    /// A digest that was moved to another's account lets its owner in nowhere.
    async fn a_digest_that_was_moved_opens_no_other_account(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (victim, thief) = (app.register_person().await, app.register_person().await);
        app.advance_seconds(61);
        let before = app.codes_to(&thief.identifier, 0).await.len();
        let challenge = app.ask_for_reset(&thief.identifier).await;
        let code = app.nth_code_sent_to(&thief.identifier, before + 1).await;
        let point_at = |from: &str, to: &str| match engine {
            testkit::Engine::Production => format!(
                "UPDATE identifier_index SET account_id = '{to}' WHERE account_id = '{from}'"
            ),
            testkit::Engine::Embedded => format!(
                "UPDATE identifier_index SET account_id = X'{}' WHERE account_id = X'{}'",
                to.replace('-', ""), from.replace('-', "")
            ),
        };
        app.database().execute(&point_at(&thief.id, &victim.id)).await;
        let body = json!({"challenge_id": challenge, "code": code, "new_password": OTHER_PASSWORD});
        app.post("/api/v1/auth/password/reset/confirm", &body).await
            .assert_problem(401, "invalid_code");
        app.log_in(&victim.identifier, PASSWORD).await.assert_status(200);
        app.log_in(&thief.identifier, PASSWORD).await.assert_problem(500, "internal_error");
    }
}
