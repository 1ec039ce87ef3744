//! Setting an authenticator app up, and taking it away.

use serde_json::json;
use testkit::race;

use super::authenticator;
use crate::{
    app::{TestApp, wrong_code},
    person::Tokens,
};

testkit::on_every_engine! {
    async fn an_authenticator_app_is_set_up_with_secret_uri_and_drawing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let access = person.tokens.access.clone();
        let access = access.as_str();
        let none = json!({"enabled": false, "methods": []});
        assert_eq!(app.get_as(access, "/api/v1/me/mfa").await.data(), none);
        let begun = app.begin_totp(&person).await;
        let secret = begun.text_of("/secret");
        assert_eq!(secret.len(), 32, "160 bits in Base32");
        let uri = begun.text_of("/otpauth_uri");
        assert!(uri.starts_with("otpauth://totp/Fashionistar:person-"), "{uri}");
        assert!(uri.contains(&format!("secret={secret}")) && uri.ends_with("issuer=Fashionistar"), "{uri}");
        assert!(begun.text_of("/qr_svg").contains("<svg"));
        // It counts for nothing yet.
        assert_eq!(app.get_as(access, "/api/v1/me/mfa").await.data(), none);
        app.log_in(&person.identifier, &person.password).await.text_of("/tokens/access_token");
        let code = authenticator(&secret).generate(app.now().unix_timestamp().try_into().unwrap()).to_string();
        app.confirm_totp(&person, &wrong_code(&code)).await.assert_problem(401, "invalid_code");
        let confirmed = app.confirm_totp(&person, &code).await;
        confirmed.assert_status(200);
        assert_eq!(confirmed.data()["recovery_codes"].as_array().unwrap().len(), 10);
        app.me(access).await.assert_problem(401, "invalid_token");
        person.tokens = Tokens::of(&confirmed);
        let access = &person.tokens.access;
        let enabled = json!({"enabled": true, "methods": ["totp", "recovery_code"]});
        assert_eq!(app.get_as(access, "/api/v1/me/mfa").await.data(), enabled);
        assert_eq!(app.me(access).await.data()["mfa"], enabled);
        app.confirm_totp(&person, &code).await.assert_problem(401, "invalid_code");
        assert!(app.event_types().await.iter().any(|it| it.ends_with("mfa.factor_added.v1")));
    }

    /// T23.
    async fn another_enrolment_leaves_the_app_alone_until_it_is_confirmed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let begun = app.begin_totp(&it.person).await;
        let other = authenticator(&begun.text_of("/secret"));
        let now = || u64::try_from(app.now().unix_timestamp()).unwrap();
        let challenge = app.challenge_of(&it.person).await;
        let of_other = other.generate(now()).to_string();
        app.second_step(&challenge, "totp", &of_other).await.assert_problem(401, "invalid_code");
        app.second_step(&challenge, "totp", &it.code(&app)).await.assert_status(200);
        app.confirm_totp(&it.person, &it.code_in(&app, 1)).await.assert_problem(401, "invalid_code");
        app.confirm_totp(&it.person, &of_other).await.assert_status(200);
        app.advance_seconds(60);
        let challenge = app.challenge_of(&it.person).await;
        app.second_step(&challenge, "totp", &it.code(&app)).await.assert_problem(401, "invalid_code");
        app.second_step(&challenge, "recovery_code", &it.recovery_codes[0]).await.assert_problem(401, "invalid_code");
        app.second_step(&challenge, "totp", &other.generate(now()).to_string()).await.assert_status(200);
    }

    async fn a_secret_that_was_shown_waits_ten_minutes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let secret = app.begin_totp(&person).await.text_of("/secret");
        app.advance_seconds(600);
        let again = json!({"password": person.password});
        let access = Tokens::of(&app.refresh(&person.tokens.refresh).await).access;
        let access = Tokens::of(&app.reauthenticate(&access, &again).await).access;
        let code = authenticator(&secret).generate(app.now().unix_timestamp().try_into().unwrap()).to_string();
        let path = "/api/v1/me/mfa/totp/confirm";
        app.post_as(&access, path, &json!({"code": code})).await.assert_problem(401, "invalid_code");
    }

    async fn taking_the_app_away_takes_the_recovery_codes_and_asks_no_more(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let waiting = app.challenge_of(&it.person).await;
        let path = "/api/v1/me/mfa/totp";
        app.delete_as(&it.person.tokens.access, path).await.assert_status(200);
        let mfa = app.me(&it.person.tokens.access).await.data()["mfa"].clone();
        assert_eq!(mfa, json!({"enabled": false, "methods": []}));
        app.second_step(&waiting, "recovery_code", &it.recovery_codes[0]).await.assert_problem(401, "invalid_code");
        app.log_in(&it.person.identifier, &it.person.password).await.text_of("/tokens/access_token");
        assert_eq!(app.count("recovery_codes").await, 0);
        app.delete_as(&it.person.tokens.access, path).await.assert_problem(404, "not_found");
    }

    /// Whoever got in before is out, and the one who asked goes on.
    async fn a_change_of_factors_signs_everybody_else_out(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let is_alone = async |own: &str, other: &Tokens| {
            app.me(&other.access).await.assert_problem(401, "invalid_token");
            app.refresh(&other.refresh).await.assert_problem(401, "invalid_refresh_token");
            app.me(own).await.assert_status(200);
        };
        let other = Tokens::of(&app.log_in(&person.identifier, &person.password).await);
        let it = app.secure(person).await;
        let own = it.person.tokens.access.clone();
        is_alone(&own, &other).await;
        let by_code = async |code: &str| {
            let challenge = app.challenge_of(&it.person).await;
            Tokens::of(&app.second_step(&challenge, "recovery_code", code).await)
        };
        let other = by_code(&it.recovery_codes[0]).await;
        app.enrol_passkey(&it.person).await;
        is_alone(&own, &other).await;
        let other = by_code(&it.recovery_codes[1]).await;
        let passkeys = app.get_as(&own, "/api/v1/me/passkeys").await;
        let path = format!("/api/v1/me/passkeys/{}", passkeys.text_of("/items/0/id"));
        app.delete_as(&own, &path).await.assert_status(200);
        is_alone(&own, &other).await;
        let other = by_code(&it.recovery_codes[2]).await;
        app.delete_as(&own, "/api/v1/me/mfa/totp").await.assert_status(200);
        is_alone(&own, &other).await;
    }

    /// RFC 6238 leaves a million codes: nobody tries for weeks, and its owner learns of it.
    async fn an_app_is_closed_after_a_hundred_wrong_codes_in_a_row(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        app.database().execute("UPDATE totp_factors SET failures = 98 WHERE failures = 0").await;
        let challenge = app.challenge_of(&it.person).await;
        let wrong = wrong_code(&it.code(&app));
        app.second_step(&challenge, "totp", &wrong).await.assert_problem(401, "invalid_code");
        let words = "disabled your authenticator app";
        app.settle_messages().await;
        assert_eq!(app.messages_about(&it.person.identifier, words).await.len(), 0, "one is left");
        // Wrong codes through a session count as well.
        let access = &it.person.tokens.access;
        let body = json!({"method": "totp", "code": wrong});
        app.reauthenticate(access, &body).await.assert_problem(401, "invalid_code");
        app.second_step(&challenge, "totp", &it.code(&app)).await.assert_problem(401, "invalid_code");
        app.settle_messages().await;
        assert_eq!(app.messages_about(&it.person.identifier, words).await.len(), 1);
        // Another way opens the account, and setting the app up again opens the app.
        app.second_step(&challenge, "recovery_code", &it.recovery_codes[0]).await.assert_status(200);
        let again = app.secure(it.person).await;
        let challenge = app.challenge_of(&again.person).await;
        app.second_step(&challenge, "totp", &again.code(&app)).await.assert_status(200);
    }

    async fn fresh_recovery_codes_void_the_old_ones(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let path = "/api/v1/me/mfa/recovery-codes";
        let fresh = app.post_as(&it.person.tokens.access, path, &json!({})).await;
        fresh.assert_status(200);
        let fresh: Vec<String> = serde_json::from_value(fresh.data()["recovery_codes"].clone()).unwrap();
        let challenge = app.challenge_of(&it.person).await;
        app.second_step(&challenge, "recovery_code", &it.recovery_codes[0]).await.assert_problem(401, "invalid_code");
        app.second_step(&challenge, "recovery_code", &fresh[0]).await.assert_status(200);
        let nobody = app.register_person().await;
        app.post_as(&nobody.tokens.access, path, &json!({})).await.assert_problem(409, "no_second_factor");
    }

    /// Whatever each is told, one whole set is left, and it is one that somebody was shown.
    async fn renewals_at_once_leave_one_set(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let path = "/api/v1/me/mfa/recovery-codes";
        let answers = race::at_once(2, |_| {
            let (app, access) = (app.clone(), it.person.tokens.access.clone());
            async move { app.post_as(&access, path, &json!({})).await }
        })
        .await;
        let mut shown = Vec::new();
        for answer in answers.iter().filter(|answer| answer.status == 200) {
            let codes = answer.data()["recovery_codes"][0].as_str().unwrap().to_owned();
            shown.push(codes);
        }
        assert!(!shown.is_empty(), "{answers:?}");
        assert_eq!(app.count("recovery_codes").await, 10);
        let mut counted = 0;
        for code in &shown {
            let challenge = app.challenge_of(&it.person).await;
            counted += usize::from(app.second_step(&challenge, "recovery_code", code).await.status == 200);
        }
        assert_eq!(counted, 1);
    }
}
