//! From a session to a passkey.

use serde_json::{Value, json};
use testkit::{
    authenticator::{AAGUID, Conduct, SoftPasskey},
    race,
};

use super::setup::{ORIGIN, honest};
use crate::{app::TestApp, person::Tokens};

const OPTIONS: &str = "/api/v1/me/passkeys/options";
const PASSKEYS: &str = "/api/v1/me/passkeys";

/// Of all enrolments, sorted: those of one moment have no order.
async fn outcomes(app: &TestApp) -> Vec<String> {
    let mut outcomes = app.audit_outcomes("passkey.added").await;
    outcomes.sort_unstable();
    outcomes
}

/// a5 01 02 03 26 …: −7 becomes −35, and the curve stays.
fn with_es384_on_p256(mut key: Vec<u8>) -> Vec<u8> {
    key.splice(4..=4, [0x38, 0x22]);
    key
}

/// A map of so many members becomes one that ends where it ends.
fn without_a_length(mut map: Vec<u8>) -> Vec<u8> {
    map[0] = 0xbf;
    map.push(0xff);
    map
}

testkit::on_every_engine! {
    async fn a_device_is_asked_to_make_a_passkey_in_itself_and_to_know_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let asked = app.ask_to_enrol(&person.tokens.access).await;
        asked.assert_status(200);
        let options = asked.data()["public_key"].clone();
        assert_eq!(options["rp"]["id"], "auth.example.com");
        let selection = &options["authenticatorSelection"];
        assert_eq!(selection.get("authenticatorAttachment"), None, "what is built in is preferred, not demanded");
        assert_eq!(selection["residentKey"], "required");
        assert_eq!(selection["requireResidentKey"], true);
        assert_eq!(selection["userVerification"], "required");
        assert_eq!(options["attestation"].as_str().unwrap_or("none"), "none");
        assert!(options["challenge"].as_str().unwrap().len() >= 22, "at least 16 bytes");
        assert_eq!(options["user"]["name"], person.identifier.as_str());
        let algorithms = options["pubKeyCredParams"].as_array().unwrap();
        assert!(algorithms.iter().any(|it| it["alg"] == -7), "{algorithms:?}");
        assert!(options.get("excludeCredentials").is_none_or(|it| it == &json!([])));
    }

    async fn what_a_device_keeps_of_a_person_means_nothing_to_others(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (mut one, other) = (app.register_person().await, app.register_person().await);
        let first = app.enrol_passkey(&one).await;
        app.confirm_with(&mut one, &first, &honest()).await;
        let second = app.enrol_passkey(&one).await;
        let third = app.enrol_passkey(&other).await;
        assert_eq!(first.user_handle(), second.user_handle());
        assert_ne!(first.user_handle(), third.user_handle());
        let handle = first.user_handle();
        assert!(handle.len() >= 16);
        let account = one.id.replace('-', "");
        let handle = uuid::Uuid::from_slice(handle).unwrap().simple().to_string();
        assert_ne!(handle, account, "not what other systems know the person by");
    }

    async fn a_new_passkey_is_listed_and_on_record(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let asked = app.ask_to_enrol(&person.tokens.access).await;
        let (_, credential) = SoftPasskey::create(&asked.data()["public_key"], &honest());
        let added = app.bring_passkey(&person.tokens.access, &credential).await;
        added.assert_status(201);
        let passkey = added.data();
        assert_eq!(passkey["name"], "My phone");
        assert_eq!(passkey["last_used_at"], Value::Null);
        assert_eq!(passkey["backup_eligible"], false);
        assert_eq!(passkey["backed_up"], false);
        assert_eq!(passkey["aaguid"], json!(uuid::Uuid::from_bytes(AAGUID)));
        let listed = app.get_as(&person.tokens.access, PASSKEYS).await;
        assert_eq!(listed.data()["items"], json!([passkey]));
        assert_eq!(app.audit_outcomes("passkey.added").await, ["success"]);
        let added = "com.fashionistar.auth.passkey.added.v1".to_owned();
        assert!(app.event_types().await.contains(&added));
    }

    async fn the_account_shows_that_there_is_a_passkey(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let before = app.me(&person.tokens.access).await;
        assert_eq!(before.data()["mfa"], json!({"enabled": false, "methods": []}));
        app.enrol_passkey(&person).await;
        let after = app.me(&person.tokens.access).await;
        let methods = after.data()["mfa"]["methods"].clone();
        assert!(methods.as_array().unwrap().contains(&json!("webauthn")), "{methods}");
    }

    async fn a_device_that_has_a_passkey_is_told_so(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let passkey = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &passkey, &honest()).await;
        let listed = app.ask_to_enrol(&person.tokens.access).await;
        let excluded = listed.data()["public_key"]["excludeCredentials"].clone();
        assert_eq!(excluded.as_array().map(Vec::len), Some(1), "{excluded}");
        // Whoever is somebody else is not.
        let other = app.register_person().await;
        let asked = app.ask_to_enrol(&other.tokens.access).await;
        let excluded = asked.data()["public_key"]["excludeCredentials"].clone();
        assert!(excluded.as_array().is_none_or(Vec::is_empty), "{excluded}");
    }

    /// T26, T27, T29 at enrolment: none counts, and each uses up what was begun.
    async fn what_an_honest_device_would_not_answer_is_no_passkey(engine: Engine) {
        let app = TestApp::start(engine).await;
        let refused = [
            ("wrong_origin", Conduct::at("https://auth.example.com.evil")),
            ("wrong_origin", Conduct::at("http://auth.example.com")),
            ("cross_origin", Conduct { cross_origin: Some(true), ..honest() }),
            ("wrong_relying_party", Conduct { rp_id: Some("evil.example".to_owned()), ..honest() }),
            ("user_not_verified", Conduct { user_verified: false, ..honest() }),
            ("user_not_verified", Conduct { user_present: false, ..honest() }),
            ("wrong_type", Conduct { kind: Some("webauthn.get".to_owned()), ..honest() }),
            ("wrong_challenge", Conduct { challenge: Some("AAAAAAAAAAAAAAAAAAAAAA".to_owned()), ..honest() }),
            ("contradictory_answer", Conduct { backed_up: true, ..honest() }),
            ("malformed_answer", Conduct { cose_key: with_es384_on_p256, ..honest() }),
            ("malformed_answer", Conduct { cose_key: without_a_length, ..honest() }),
            ("malformed_answer", Conduct { attestation_object: without_a_length, ..honest() }),
        ];
        let mut expected = Vec::new();
        for (reason, conduct) in refused {
            let person = app.register_person().await;
            let access = &person.tokens.access;
            let asked = app.ask_to_enrol(access).await;
            let options = asked.data()["public_key"].clone();
            let (_, credential) = SoftPasskey::create(&options, &conduct);
            let refused = app.bring_passkey(access, &credential).await;
            refused.assert_problem(401, "invalid_code");
            expected.push(reason);
            // What was begun is over, also for an honest answer.
            let (_, credential) = SoftPasskey::create(&options, &honest());
            app.bring_passkey(access, &credential).await.assert_problem(401, "invalid_code");
        }
        expected.sort_unstable();
        assert_eq!(outcomes(&app).await, expected);
        assert_eq!(app.count("passkeys").await, 0);
    }

    /// T25.
    async fn an_enrolment_is_ended_in_the_session_that_began_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let beside = app.log_in(&person.identifier, &person.password).await;
        let beside = Tokens::of(&beside);
        let stranger = app.register_person().await;
        let asked = app.ask_to_enrol(&person.tokens.access).await;
        let (passkey, credential) = SoftPasskey::create(&asked.data()["public_key"], &honest());
        for foreign in [&beside.access, &stranger.tokens.access] {
            app.bring_passkey(foreign, &credential).await.assert_problem(401, "invalid_code");
            // Nor into an enrolment of their own.
            app.ask_to_enrol(foreign).await.assert_status(200);
            app.bring_passkey(foreign, &credential).await.assert_problem(401, "invalid_code");
        }
        app.bring_passkey(&person.tokens.access, &credential).await.assert_status(201);
        app.confirm_with(&mut person, &passkey, &honest()).await;
        app.bring_passkey(&person.tokens.access, &credential).await.assert_problem(401, "invalid_code");
    }

    /// T25.
    async fn an_enrolment_is_over_after_five_minutes_or_when_another_is_begun(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        let first = app.ask_to_enrol(access).await.data()["public_key"].clone();
        let second = app.ask_to_enrol(access).await.data()["public_key"].clone();
        let (_, credential) = SoftPasskey::create(&first, &honest());
        app.bring_passkey(access, &credential).await.assert_problem(401, "invalid_code");
        let (_, credential) = SoftPasskey::create(&second, &honest());
        app.bring_passkey(access, &credential).await.assert_problem(401, "invalid_code");
        let third = app.ask_to_enrol(access).await.data()["public_key"].clone();
        app.advance_seconds(5 * 60);
        let (_, credential) = SoftPasskey::create(&third, &honest());
        app.bring_passkey(access, &credential).await.assert_problem(401, "invalid_code");
        assert_eq!(app.count("passkeys").await, 0);
    }

    async fn a_credential_is_one_persons(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (mut owner, thief) = (app.register_person().await, app.register_person().await);
        let passkey = app.enrol_passkey(&owner).await;
        app.confirm_with(&mut owner, &passkey, &honest()).await;
        for person in [&thief, &owner] {
            let asked = app.ask_to_enrol(&person.tokens.access).await;
            let options = &asked.data()["public_key"];
            let id = passkey.id().to_vec();
            let (_, credential) = SoftPasskey::create_with_id(options, &honest(), id);
            let taken = app.bring_passkey(&person.tokens.access, &credential).await;
            taken.assert_problem(401, "invalid_code");
        }
        // The owner's own was named as one that there is.
        assert_eq!(outcomes(&app).await, ["bad_signature", "credential_taken", "success"]);
        let owned = app.sign_in_with(&passkey, &honest()).await;
        assert_eq!(owned.text_of("/user/id"), owner.id);
    }

    /// As many as an account may call in an hour.
    async fn of_twenty_ends_of_one_enrolment_one_adds_a_passkey(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let asked = app.ask_to_enrol(&person.tokens.access).await;
        let options = asked.data()["public_key"].clone();
        let answers = race::at_once(20, |_| {
            let (app, access) = (app.clone(), person.tokens.access.clone());
            let (_, credential) = SoftPasskey::create(&options, &honest());
            async move { app.bring_passkey(&access, &credential).await }
        })
        .await;
        let (added, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 201);
        assert_eq!(added.len(), 1, "{answers:?}");
        for answer in refused {
            // Who comes after the first passkey is there has to confirm with it.
            if answer.status == 403 {
                answer.assert_problem(403, "reauthentication_required");
            } else {
                answer.assert_problem(401, "invalid_code");
            }
        }
        assert_eq!(app.count("passkeys").await, 1);
    }

    async fn a_passkey_is_added_and_removed_soon_after_a_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        let asked = app.ask_to_enrol(access).await;
        let (_, credential) = SoftPasskey::create(&asked.data()["public_key"], &honest());
        let added = app.bring_passkey(access, &credential).await;
        let path = format!("{PASSKEYS}/{}", added.text_of("/id"));
        app.advance_seconds(10 * 60 + 1);
        let refreshed = app.refresh(&person.tokens.refresh).await;
        let stale = Tokens::of(&refreshed).access;
        let needs_it = |answer: &crate::answer::Answer| {
            answer.assert_problem(403, "reauthentication_required");
        };
        needs_it(&app.post_as(&stale, OPTIONS, &Value::Null).await);
        needs_it(&app.bring_passkey(&stale, &credential).await);
        needs_it(&app.delete_as(&stale, &path).await);
        app.get_as(&stale, PASSKEYS).await.assert_status(200);
        app.patch_as(&stale, &path, &json!({"name": null})).await.assert_status(200);
        assert_eq!(app.count("passkeys").await, 1);
    }

    async fn an_account_has_twenty_passkeys_at_the_most(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let first = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &first, &honest()).await;
        let access = &person.tokens.access;
        for _ in 0..18 {
            app.enrol_passkey(&person).await;
        }
        let twentieth = app.ask_to_enrol(access).await.data()["public_key"].clone();
        let (_, credential) = SoftPasskey::create(&twentieth, &honest());
        app.bring_passkey(access, &credential).await.assert_status(201);
        app.ask_to_enrol(access).await.assert_problem(409, "too_many_passkeys");
        assert_eq!(app.count("passkeys").await, 20);
    }

    /// Two sessions that each see nineteen.
    async fn of_two_enrolments_at_once_at_the_limit_one_is_made(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let first = app.enrol_passkey(&person).await;
        app.confirm_with(&mut person, &first, &honest()).await;
        for _ in 0..17 {
            app.enrol_passkey(&person).await;
        }
        let nineteenth = app.enrol_passkey(&person).await;
        // In another hour, whose calls are not used up.
        app.advance_seconds(3_660);
        let mut rivals = Vec::new();
        for passkey in [&first, &nineteenth] {
            let access = Tokens::of(&app.sign_in_with(passkey, &honest()).await).access;
            let asked = app.ask_to_enrol(&access).await.data()["public_key"].clone();
            rivals.push((access, SoftPasskey::create(&asked, &honest()).1));
        }
        let statuses = race::at_once(2, |number| {
            let (app, (access, credential)) = (app.clone(), rivals[number].clone());
            async move { app.bring_passkey(&access, &credential).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|it| **it == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|it| matches!(it, 201 | 401 | 409)), "{statuses:?}");
        assert_eq!(app.count("passkeys").await, 20);
    }

    async fn what_is_no_answer_of_a_browser_is_refused_unjudged(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        let asked = app.ask_to_enrol(access).await;
        let (_, good) = SoftPasskey::create(&asked.data()["public_key"], &Conduct::at(ORIGIN));
        let mut padded = good.clone();
        let client_data = good["response"]["clientDataJSON"].as_str().unwrap();
        padded["response"]["clientDataJSON"] = format!("{client_data}==").into();
        app.bring_passkey(access, &padded).await.assert_problem(422, "validation_failed");
        let mut another = good.clone();
        another["rawId"] = "AQID".into();
        app.bring_passkey(access, &another).await.assert_problem(422, "validation_failed");
        app.post_as(access, PASSKEYS, &json!({"credential": "none"})).await.assert_problem(400, "malformed_request");
        let body = json!({"credential": good, "name": "\u{202e}phone"});
        app.post_as(access, PASSKEYS, &body).await.assert_problem(422, "validation_failed");
        // None of it was judged, so the good answer still counts.
        app.bring_passkey(access, &good).await.assert_status(201);
    }
}
