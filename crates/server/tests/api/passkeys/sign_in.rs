//! From a passkey to a session.

use serde_json::{Value, json};
use testkit::{
    authenticator::{Conduct, SoftPasskey},
    race,
};

use super::setup::honest;
use crate::{
    app::TestApp,
    person::{OTHER_PASSWORD, Tokens},
};

testkit::on_every_engine! {
    async fn a_passkey_signs_in_without_an_identifier(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.advance_seconds(60);
        let answer = app.sign_in_with(&passkey, &honest()).await;
        answer.assert_status(200);
        let data = answer.data();
        assert_eq!(data["status"], "authenticated");
        assert_eq!(data["user"]["id"], person.id.as_str());
        assert!(data["device_token"].as_str().unwrap().starts_with("fa_dt_v1."));
        let tokens = Tokens::of(&answer);
        assert_ne!(tokens.session, person.tokens.session);
        let listed = app.get_as(&tokens.access, "/api/v1/me/passkeys").await;
        let used = listed.data()["items"][0]["last_used_at"].clone();
        assert!(used.is_string(), "{used}");
        assert!(app.audit_outcomes("session.sign_in").await.contains(&"success".to_owned()));
    }

    /// NIST SP 800-63B-4 §3.1.7: the device and what it knows its user by.
    async fn a_passkey_is_two_factors_in_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let answer = app.sign_in_with(&passkey, &honest()).await;
        let claims = claims_of(&Tokens::of(&answer).access);
        assert_eq!(claims["acr"], "2", "{claims}");
        assert!(!claims["amr"].as_array().unwrap().contains(&json!("pwd")), "{claims}");
        // So soon after it, a sensitive act needs no other proof.
        let options = app.ask_to_enrol(&Tokens::of(&answer).access).await;
        options.assert_status(200);
    }

    async fn what_is_asked_tells_nothing_about_anybody(engine: Engine) {
        let app = TestApp::start(engine).await;
        let shape = |options: &Value| {
            let members = options.as_object().unwrap();
            members.keys().cloned().collect::<Vec<_>>()
        };
        let before = app.ask_for_passkey().await;
        let person = app.register_person().await;
        app.enrol_passkey(&person).await;
        let after = app.ask_for_passkey().await;
        assert_eq!(shape(&before.options), shape(&after.options));
        assert_ne!(before.options["challenge"], after.options["challenge"]);
        assert_ne!(before.challenge, after.challenge);
        assert!(after.challenge.len() >= 22, "at least 128 random bits");
        let allowed = &after.options["allowCredentials"];
        assert!(allowed.is_null() || allowed == &json!([]), "{allowed}");
        assert_eq!(after.options["userVerification"], "required");
        assert_eq!(after.options["rpId"], "auth.example.com");
    }

    async fn a_known_device_is_handed_back(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let asked = app.ask_for_passkey().await;
        let body = json!({
            "challenge_id": asked.challenge,
            "credential": passkey.sign(&asked.options, &honest()),
        });
        let request = app
            .request("POST", "/api/v1/auth/passkey/verify")
            .header("X-Device-Token", &person.device_token)
            .json(&body);
        let answer = app.send(request).await;
        answer.assert_status(200);
        assert_eq!(answer.text_of("/device_token"), person.device_token);
    }

    /// T45: failures of strangers close password sign-in, and nothing else.
    async fn a_locked_password_does_not_lock_a_passkey(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        for _ in 0..6 {
            app.log_in(&person.identifier, OTHER_PASSWORD).await;
        }
        let locked = app.log_in(&person.identifier, &person.password).await;
        locked.assert_problem(429, "account_locked");
        app.sign_in_with(&passkey, &honest()).await.assert_status(200);
    }

    async fn a_suspended_account_is_told_so_and_a_deleted_one_is_nobodys(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let sessions = app.count("sessions").await;
        for (status, refused, code) in [
            ("suspended", 403, "account_suspended"),
            ("deleted", 401, "invalid_code"),
            ("pending", 401, "invalid_code"),
        ] {
            app.set_account_status(&person.id, status).await;
            let asked = app.ask_for_passkey().await;
            let credential = passkey.sign(&asked.options, &honest());
            let answer = app.answer_with_passkey(&asked.challenge, &credential).await;
            answer.assert_problem(refused, code);
            // The proof is used up all the same.
            app.set_account_status(&person.id, "active").await;
            let again = app.answer_with_passkey(&asked.challenge, &credential).await;
            again.assert_problem(401, "invalid_code");
        }
        assert_eq!(app.count("sessions").await, sessions);
    }

    async fn every_passkey_of_a_person_signs_in_that_person(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (mut one, other) = (app.register_person().await, app.register_person().await);
        let synced = Conduct { backup_eligible: true, backed_up: true, ..honest() };
        let phone = app.enrol_passkey_as(&one, &synced).await;
        app.confirm_with(&mut one, &phone, &synced).await;
        let laptop = app.enrol_passkey(&one).await;
        let foreign = app.enrol_passkey(&other).await;
        for (passkey, conduct, owner) in [
            (&phone, &synced, &one),
            (&laptop, &honest(), &one),
            (&foreign, &honest(), &other),
        ] {
            let answer = app.sign_in_with(passkey, conduct).await;
            assert_eq!(answer.text_of("/user/id"), owner.id);
        }
        let listed = app.get_as(&one.tokens.access, "/api/v1/me/passkeys").await;
        let backed_up: Vec<_> = listed.data()["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["backup_eligible"].clone(), it["backed_up"].clone()))
            .collect();
        assert!(backed_up.contains(&(json!(true), json!(true))), "{backed_up:?}");
        assert!(backed_up.contains(&(json!(false), json!(false))), "{backed_up:?}");
    }

    /// T24.
    async fn of_fifty_answers_to_one_challenge_one_signs_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let sessions = app.count("sessions").await;
        let asked = app.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, &honest());
        let statuses = race::fifty_at_once(|_| {
            let (app, challenge) = (app.clone(), asked.challenge.clone());
            let credential = credential.clone();
            async move { app.answer_with_passkey(&challenge, &credential).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|it| **it == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|it| [200, 401].contains(it)), "{statuses:?}");
        assert_eq!(app.count("sessions").await, sessions + 1);
    }

    /// T24: also on another node.
    async fn an_answer_counts_on_one_node_of_two(engine: Engine) {
        let app = TestApp::start(engine).await;
        let beside = app.another_node().await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        let asked = app.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, &honest());
        beside.answer_with_passkey(&asked.challenge, &credential).await.assert_status(200);
        let again = app.answer_with_passkey(&asked.challenge, &credential).await;
        again.assert_problem(401, "invalid_code");
    }

    /// Its page can tell the device, which then offers it no more.
    async fn a_passkey_that_nobody_has_is_named_unknown(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let asked = app.ask_to_enrol(&person.tokens.access).await;
        // Made on a device, and never brought here.
        let (unknown, _) = SoftPasskey::create(&asked.data()["public_key"], &honest());
        let asked = app.ask_for_passkey().await;
        let credential = unknown.sign(&asked.options, &honest());
        let refused = app.answer_with_passkey(&asked.challenge, &credential).await;
        refused.assert_problem(401, "invalid_code");
        assert_eq!(refused.json()["errors"][0]["code"], "unknown_passkey");
        let outcomes = app.audit_outcomes("session.sign_in").await;
        assert!(outcomes.contains(&"unknown_passkey".to_owned()), "{outcomes:?}");
    }
}

/// What a token claims.
pub(super) fn claims_of(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
