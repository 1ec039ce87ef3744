//! A passkey as the proof of who somebody is, in a session that goes on.

use serde_json::{Value, json};
use testkit::authenticator::{Conduct, SoftPasskey};

use super::setup::honest;
use crate::{answer::Answer, app::TestApp, person::Tokens};

impl TestApp {
    pub(crate) async fn prove_again_with(
        &self,
        access: &str,
        passkey: &SoftPasskey,
        conduct: &Conduct,
    ) -> (Answer, Value) {
        let asked = self.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, conduct);
        let body = json!({"challenge_id": asked.challenge, "credential": credential});
        (self.reauthenticate(access, &body).await, body)
    }
}

testkit::on_every_engine! {
    /// Whoever has nothing but a passkey need not sign in anew.
    async fn a_passkey_proves_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.advance_seconds(601);
        let held = Tokens::of(&app.refresh(&person.tokens.refresh).await);
        app.ask_to_enrol(&held.access).await.assert_problem(403, "reauthentication_required");
        let (proven, body) = app.prove_again_with(&held.access, &passkey, &honest()).await;
        proven.assert_status(200);
        let tokens = Tokens::of(&proven);
        assert_eq!(tokens.session, held.session);
        app.refresh(&held.refresh).await.assert_problem(401, "invalid_refresh_token");
        app.ask_to_enrol(&tokens.access).await.assert_status(200);
        app.me(&held.access).await.assert_problem(401, "invalid_token");
        app.reauthenticate(&tokens.access, &body).await.assert_problem(401, "invalid_code");
        assert_eq!(app.audit_outcomes("session.reauthenticated").await, ["success"]);
    }

    /// Somebody else's proves nothing here, and neither does a copy; the challenge is used up each time.
    async fn another_passkey_proves_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (person, stranger) = (app.register_person().await, app.register_person().await);
        let foreign = app.enrol_passkey(&stranger).await;
        let own = app.enrol_passkey_as(&person, &Conduct { counter: 5, ..honest() }).await;
        let access = &person.tokens.access;
        for (passkey, conduct) in [
            (&foreign, honest()),
            (&own, Conduct { counter: 4, ..honest() }),
            (&own, Conduct { user_verified: false, counter: 6, ..honest() }),
        ] {
            let (refused, body) = app.prove_again_with(access, passkey, &conduct).await;
            refused.assert_problem(401, "invalid_code");
            let credential = &body["credential"];
            let challenge = body["challenge_id"].as_str().unwrap();
            app.answer_with_passkey(challenge, credential).await.assert_problem(401, "invalid_code");
        }
        let mut refused = app.audit_outcomes("session.reauthenticated").await;
        refused.sort();
        assert_eq!(refused, ["counter_regressed", "passkey_of_another_account", "user_not_verified"]);
        assert_eq!(app.audit_outcomes("passkey.copy_suspected").await, ["success"]);
        let (proven, _) = app.prove_again_with(access, &own, &Conduct { counter: 6, ..honest() }).await;
        proven.assert_status(200);
    }

    async fn half_an_answer_is_no_proof(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let access = &person.tokens.access;
        let asked = app.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, &honest());
        let challenge = &asked.challenge;
        for body in [
            json!({"challenge_id": challenge}),
            json!({"credential": credential}),
            json!({"challenge_id": challenge, "credential": credential, "password": person.password}),
            json!({"challenge_id": challenge, "credential": credential, "method": "totp", "code": "123456"}),
            json!({"challenge_id": "", "credential": credential}),
        ] {
            app.reauthenticate(access, &body).await.assert_problem(422, "validation_failed");
        }
        let body = json!({"challenge_id": challenge, "credential": credential});
        app.reauthenticate(access, &body).await.assert_status(200);
    }
}
