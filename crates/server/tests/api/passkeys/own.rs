//! Looking after one's own passkeys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::authenticator::SoftPasskey;

use super::setup::honest;
use crate::app::TestApp;

const PASSKEYS: &str = "/api/v1/me/passkeys";

async fn ids(app: &TestApp, access: &str) -> Vec<String> {
    let listed = app.get_as(access, PASSKEYS).await;
    listed.assert_status(200);
    let items = listed.data()["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect()
}

testkit::on_every_engine! {
    async fn a_passkey_gets_another_name(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.enrol_passkey(&person).await;
        let access = &person.tokens.access;
        let path = format!("{PASSKEYS}/{}", ids(&app, access).await[0]);
        for name in [json!("The key in the drawer"), Value::Null] {
            let renamed = app.patch_as(access, &path, &json!({"name": name})).await;
            renamed.assert_status(200);
            assert_eq!(renamed.data()["name"], name);
            let listed = app.get_as(access, PASSKEYS).await;
            assert_eq!(listed.data()["items"][0]["name"], name);
        }
        assert_eq!(app.audit_outcomes("passkey.renamed").await, ["success"; 2]);
        for (body, status, code) in [
            (json!({"name": ""}), 422, "validation_failed"),
            (json!({"name": "x".repeat(81)}), 422, "validation_failed"),
            (json!({}), 400, "malformed_request"),
        ] {
            app.patch_as(access, &path, &body).await.assert_problem(status, code);
        }
        assert_eq!(app.audit_outcomes("passkey.renamed").await.len(), 2);
    }

    /// What `PublicKeyCredential.signalAllAcceptedCredentials()` is called with.
    async fn a_list_has_what_devices_are_told(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let access = person.tokens.access.clone();
        let asked = app.ask_to_enrol(&access).await;
        let options = asked.data()["public_key"].clone();
        let none = app.get_as(&access, PASSKEYS).await;
        assert_eq!(none.data()["credential_ids"], json!([]));
        assert_eq!(none.data()["user_handle"], options["user"]["id"]);
        assert_eq!(none.data()["rp_id"], options["rp"]["id"]);
        let first = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &first, &honest()).await;
        let second = app.enrol_passkey(&person).await;
        let listed = app.get_as(&person.tokens.access, PASSKEYS).await;
        let ids = [first.id(), second.id()].map(|id| URL_SAFE_NO_PAD.encode(id));
        let mut told: Vec<_> = listed.data()["credential_ids"].as_array().unwrap().clone();
        told.sort_by_key(|id| id.as_str() != Some(ids[0].as_str()));
        assert_eq!(told, ids);
        let data = listed.data();
        let items = data["items"].as_array().unwrap();
        assert!(items.iter().all(|it| told.contains(&it["credential_id"])), "{items:?}");
    }

    async fn passkeys_of_others_are_not_there(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (owner, stranger) = (app.register_person().await, app.register_person().await);
        let passkey = app.enrol_passkey(&owner).await;
        let path = format!("{PASSKEYS}/{}", ids(&app, &owner.tokens.access).await[0]);
        let access = &stranger.tokens.access;
        assert_eq!(ids(&app, access).await, [""; 0]);
        let renamed = app.patch_as(access, &path, &json!({"name": "Mine"})).await;
        renamed.assert_problem(404, "not_found");
        app.delete_as(access, &path).await.assert_problem(404, "not_found");
        app.sign_in_with(&passkey, &honest()).await.assert_status(200);
    }

    async fn a_removed_passkey_opens_nothing_any_more(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &passkey, &honest()).await;
        let access = &person.tokens.access;
        let path = format!("{PASSKEYS}/{}", ids(&app, access).await[0]);
        // Asked before, answered after.
        let asked = app.ask_for_passkey().await;
        let credential = passkey.sign(&asked.options, &honest());
        app.delete_as(access, &path).await.assert_status(200);
        let refused = app.answer_with_passkey(&asked.challenge, &credential).await;
        refused.assert_problem(401, "invalid_code");
        assert_eq!(refused.json()["errors"][0]["code"], "unknown_passkey");
        app.delete_as(access, &path).await.assert_problem(404, "not_found");
        assert_eq!(ids(&app, access).await, [""; 0]);
        assert_eq!(app.audit_outcomes("passkey.removed").await, ["success"]);
        let removed = "com.fashionistar.auth.passkey.removed.v1".to_owned();
        assert!(app.event_types().await.contains(&removed));
        let me = app.me(access).await;
        assert_eq!(me.data()["mfa"], json!({"enabled": false, "methods": []}));
    }

    async fn the_last_way_in_stays(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &passkey, &honest()).await;
        let access = &person.tokens.access;
        app.advance_seconds(1);
        let second = app.enrol_passkey(&person).await;
        app.forget_passwords().await;
        let ids = ids(&app, access).await;
        let path = |id: &String| format!("{PASSKEYS}/{id}");
        app.delete_as(access, &path(&ids[0])).await.assert_status(200);
        app.delete_as(access, &path(&ids[1])).await.assert_problem(409, "last_way_in");
        app.sign_in_with(&second, &honest()).await.assert_status(200);
        let mut outcomes = app.audit_outcomes("passkey.removed").await;
        outcomes.sort();
        assert_eq!(outcomes, ["last_way_in", "success"]);
    }

    /// An address that was proven to us is a way in, by a code.
    async fn a_passkey_goes_where_a_code_signs_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &passkey, &honest()).await;
        let forgotten = "DELETE FROM password_credentials WHERE account_id IS NOT NULL";
        app.database().execute(forgotten).await;
        let access = &person.tokens.access;
        let path = format!("{PASSKEYS}/{}", ids(&app, access).await[0]);
        app.delete_as(access, &path).await.assert_status(200);
    }

    /// Each sees the other one, and thinks that one would be left.
    async fn of_two_removals_at_once_of_the_last_two_one_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        for _ in 0..5 {
            let mut person = app.register_person().await;
            let passkey = app.enrol_passkey(&person).await;
            app.confirm_with(&mut person, &passkey, &honest()).await;
            let access = &person.tokens.access;
            app.enrol_passkey(&person).await;
            app.forget_passwords().await;
            let ids = ids(&app, access).await;
            let statuses = testkit::race::at_once(2, |number| {
                let (app, access) = (app.clone(), access.clone());
                let path = format!("{PASSKEYS}/{}", ids[number]);
                async move { app.delete_as(&access, &path).await.status.as_u16() }
            })
            .await;
            let mut sorted = statuses.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [200, 409]);
        }
    }

    async fn a_removed_passkey_may_come_back(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &passkey, &honest()).await;
        let access = &person.tokens.access;
        let path = format!("{PASSKEYS}/{}", ids(&app, access).await[0]);
        app.delete_as(access, &path).await.assert_status(200);
        let asked = app.ask_to_enrol(access).await;
        let options = asked.data()["public_key"].clone();
        let id = passkey.id().to_vec();
        let (again, credential) = SoftPasskey::create_with_id(&options, &honest(), id);
        app.bring_passkey(access, &credential).await.assert_status(201);
        app.sign_in_with(&again, &honest()).await.assert_status(200);
    }
}
