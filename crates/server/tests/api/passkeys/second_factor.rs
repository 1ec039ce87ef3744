//! A passkey as the second factor of a password.

use serde_json::{Value, json};
use testkit::{
    authenticator::{Conduct, SoftPasskey},
    race,
};

use super::{
    setup::{Asked, honest},
    sign_in::claims_of,
};
use crate::{
    answer::Answer,
    app::TestApp,
    person::{PASSWORD, Person, Tokens},
};

impl TestApp {
    /// Proves the password, and asks for a passkey as the second factor.
    pub(crate) async fn ask_for_second_passkey(&self, person: &Person) -> Asked {
        let asked = self.log_in(&person.identifier, PASSWORD).await;
        asked.assert_status(200);
        assert_eq!(asked.data()["status"], "mfa_required", "{asked:?}");
        let challenge = asked.text_of("/challenge_id");
        let options = self.second_passkey_options(&challenge).await;
        options.assert_status(200);
        Asked {
            challenge,
            options: options.data()["public_key"].clone(),
        }
    }

    pub(crate) async fn second_passkey_options(&self, challenge: &str) -> Answer {
        let body = json!({"challenge_id": challenge});
        self.post("/api/v1/auth/mfa/webauthn/options", &body).await
    }

    pub(crate) async fn answer_with_second_passkey(
        &self,
        challenge: &str,
        credential: &Value,
    ) -> Answer {
        let body = json!({"challenge_id": challenge, "credential": credential});
        self.post("/api/v1/auth/mfa/webauthn/verify", &body).await
    }
}

testkit::on_every_engine! {
    async fn a_passkey_completes_a_sign_in_by_password(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let asked = app.log_in(&person.identifier, PASSWORD).await;
        asked.assert_status(200);
        assert_eq!(asked.data()["status"], "mfa_required");
        let methods = asked.data()["methods"].clone();
        assert!(methods.as_array().unwrap().contains(&json!("webauthn")), "{methods}");
        assert!(asked.data().get("tokens").is_none());
        let asked = app.ask_for_second_passkey(&person).await;
        let allowed = asked.options["allowCredentials"].as_array().unwrap().clone();
        assert_eq!(allowed.len(), 1, "{allowed:?}");
        assert_eq!(asked.options["userVerification"], "required");
        let credential = passkey.sign(&asked.options, &honest());
        let answer = app.answer_with_second_passkey(&asked.challenge, &credential).await;
        answer.assert_status(200);
        assert_eq!(answer.data()["status"], "authenticated");
        assert_eq!(answer.text_of("/user/id"), person.id);
        let claims = claims_of(&Tokens::of(&answer).access);
        assert_eq!(claims["acr"], "2", "{claims}");
        assert!(claims["amr"].as_array().unwrap().contains(&json!("pwd")), "{claims}");
    }

    /// A device need not say whose it is where it was asked for one passkey.
    async fn a_device_may_leave_out_whose_passkey_it_is(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let asked = app.ask_for_second_passkey(&person).await;
        let silent = Conduct { tells_user: false, ..honest() };
        let credential = passkey.sign(&asked.options, &silent);
        app.answer_with_second_passkey(&asked.challenge, &credential).await.assert_status(200);
    }

    /// T25: the passkey of somebody else, and answers of other ceremonies.
    async fn the_passkey_of_somebody_else_completes_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (person, thief) = (app.register_person().await, app.register_person().await);
        let passkey = app.enrol_passkey(&person).await;
        let theirs = app.enrol_passkey(&thief).await;
        let sessions = app.count("sessions").await;
        let asked = app.ask_for_second_passkey(&person).await;
        let credential = theirs.sign(&asked.options, &honest());
        let refused = app.answer_with_second_passkey(&asked.challenge, &credential).await;
        refused.assert_problem(401, "invalid_code");
        // The sign-in waits for another try, with options of its own.
        let late = passkey.sign(&asked.options, &honest());
        let used_up = app.answer_with_second_passkey(&asked.challenge, &late).await;
        used_up.assert_problem(401, "invalid_code");
        // An answer to a sign-in without an identifier is for that one alone, and the other way round.
        let first = app.ask_for_passkey().await;
        app.second_passkey_options(&asked.challenge).await.assert_status(200);
        let credential = passkey.sign(&first.options, &honest());
        let refused = app.answer_with_second_passkey(&asked.challenge, &credential).await;
        refused.assert_problem(401, "invalid_code");
        let options = app.second_passkey_options(&asked.challenge).await;
        let credential = passkey.sign(&options.data()["public_key"], &honest());
        let refused = app.answer_with_passkey(&asked.challenge, &credential).await;
        refused.assert_problem(401, "invalid_code");
        let refused = app.answer_with_passkey(&first.challenge, &credential).await;
        refused.assert_problem(401, "invalid_code");
        assert_eq!(app.count("sessions").await, sessions);
        let done = app.answer_with_second_passkey(&asked.challenge, &credential).await;
        done.assert_status(200);
    }

    /// T27, T28: what does not count as the first factor counts as none.
    async fn a_signature_that_does_not_count_is_no_second_factor(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let conduct = Conduct { counter: 5, ..honest() };
        let passkey = app.enrol_passkey_as(&person, &conduct).await;
        let next = Conduct { counter: 6, ..honest() };
        for refused in [
            Conduct { user_verified: false, ..next.clone() },
            Conduct { counter: 5, ..next.clone() },
            Conduct { origin: "https://evil.example".to_owned(), ..next.clone() },
        ] {
            let asked = app.ask_for_second_passkey(&person).await;
            let credential = passkey.sign(&asked.options, &refused);
            let answer = app.answer_with_second_passkey(&asked.challenge, &credential).await;
            answer.assert_problem(401, "invalid_code");
        }
        let asked = app.ask_for_second_passkey(&person).await;
        let credential = passkey.sign(&asked.options, &next);
        app.answer_with_second_passkey(&asked.challenge, &credential).await.assert_status(200);
    }

    async fn wrong_answers_end_a_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let asked = app.ask_for_second_passkey(&person).await;
        for _ in 0..5 {
            let options = app.second_passkey_options(&asked.challenge).await;
            options.assert_status(200);
            let wrong = Conduct { user_verified: false, ..honest() };
            let credential = passkey.sign(&options.data()["public_key"], &wrong);
            let refused = app.answer_with_second_passkey(&asked.challenge, &credential).await;
            refused.assert_problem(401, "invalid_code");
        }
        let options = app.second_passkey_options(&asked.challenge).await;
        options.assert_problem(429, "too_many_attempts");
    }

    async fn of_many_answers_to_one_sign_in_one_completes_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let sessions = app.count("sessions").await;
        let asked = app.ask_for_second_passkey(&person).await;
        let credential = passkey.sign(&asked.options, &honest());
        let statuses = race::at_once(20, |_| {
            let (app, challenge) = (app.clone(), asked.challenge.clone());
            let credential = credential.clone();
            async move { app.answer_with_second_passkey(&challenge, &credential).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|it| **it == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|it| [200, 401].contains(it)), "{statuses:?}");
        assert_eq!(app.count("sessions").await, sessions + 1);
    }

    /// What was proven before the passkeys changed counts no more.
    async fn a_sign_in_that_waits_is_over_when_the_passkeys_change(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let asked = app.ask_for_second_passkey(&person).await;
        app.confirm_with(&mut person, &passkey, &honest()).await;
        let _second: SoftPasskey = app.enrol_passkey(&person).await;
        let credential = passkey.sign(&asked.options, &honest());
        let refused = app.answer_with_second_passkey(&asked.challenge, &credential).await;
        refused.assert_problem(401, "invalid_code");
    }

    async fn without_a_passkey_none_is_asked_for(engine: Engine) {
        let app = TestApp::start(engine).await;
        let options = app.second_passkey_options("5f0c1e9a7b3d4f2688aa01c2d3e4f506").await;
        options.assert_problem(401, "invalid_code");
        let person = app.register_person().await;
        let answer = app.log_in(&person.identifier, PASSWORD).await;
        assert_eq!(answer.data()["status"], "authenticated");
    }
}
