//! Notices, and saying "this was not me".

use serde_json::{Value, json};
use testkit::race;

use crate::{
    answer::Answer,
    app::TestApp,
    google::{Bed, LINK},
    identifier::token_in,
    passkeys::honest,
    person::{OTHER_PASSWORD, PASSWORD, Person, Tokens},
};

const NOT_ME: &str = "/api/v1/auth/not-me";

impl TestApp {
    pub(crate) async fn not_me(&self, token: &str) -> Answer {
        self.post(NOT_ME, &json!({"token": token})).await
    }

    /// The messages so far in whose subject or text these words are, newest first.
    pub(crate) async fn messages_about(&self, identifier: &str, words: &str) -> Vec<Value> {
        let says = |message: &Value, part: &str| {
            message[part].as_str().is_some_and(|it| it.contains(words))
        };
        let mut messages = self.mailbox(identifier).await;
        messages.retain(|it| says(it, "subject") || says(it, "text"));
        messages
    }

    /// The newest message in whose subject or text these words are, once there is one.
    pub(crate) async fn message_with(&self, identifier: &str, words: &str) -> Value {
        let find = async || {
            let messages = self.messages_about(identifier, words).await;
            messages.into_iter().next()
        };
        self.until(&format!("a message with {words} arrives"), async || {
            find().await.is_some()
        })
        .await;
        find().await.expect("a message")
    }

    /// Signs in from a device that is not known, and hands over the link of the notice.
    async fn new_device_of(&self, person: &Person) -> (Tokens, String) {
        let tokens = Tokens::of(&self.log_in(&person.identifier, PASSWORD).await);
        let notice = self.message_with(&person.identifier, "new device").await;
        (tokens, token_in(&notice, "not-me"))
    }
}

testkit::on_every_engine! {
    async fn whoever_signs_in_from_a_new_device_is_told(engine: Engine) {
        let app = TestApp::start(engine).await;
        for identifier in [app.fresh_email(), "+2348012345678".to_owned()] {
            let person = app.register_as(&identifier, PASSWORD).await;
            app.log_in_from(&person.device_token, &identifier, PASSWORD).await.assert_status(200);
            app.settle_messages().await;
            let before = app.mailbox(&identifier).await.len();
            assert_eq!(before, 1, "neither the first device nor a known one is news");
            app.log_in(&identifier, PASSWORD).await.assert_status(200);
            let notice = app.message_with(&identifier, "new device").await;
            assert!(notice["code"].is_null(), "{notice}");
            assert_eq!(token_in(&notice, "not-me").len(), 32);
            app.settle_messages().await;
            assert_eq!(app.mailbox(&identifier).await.len(), before + 1, "exactly one");
        }
    }

    /// Each with a link that shuts whoever did it out.
    async fn of_every_way_in_that_comes_or_goes_the_owner_is_told(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let owner = bed.owner().await;
        let (email, access) = (&owner.it.person.identifier, &owner.it.person.tokens.access);
        let told = async |what: &str, done: &str| {
            app.settle_messages().await;
            let mut messages = app.messages_about(email, what).await;
            messages.retain(|it| it["subject"].as_str().unwrap().contains(done));
            assert_eq!(messages.len(), 1, "{what} was {done}: {messages:#?}");
            token_in(&messages[0], "not-me")
        };
        let ways = ["an authenticator app", "a passkey", "sign-in with Google"];
        for what in ways {
            told(what, "added").await;
        }
        let passkeys = app.get_as(access, "/api/v1/me/passkeys").await;
        let passkey = format!("/api/v1/me/passkeys/{}", passkeys.text_of("/items/0/id"));
        for path in ["/api/v1/me/mfa/totp", &passkey, LINK] {
            app.delete_as(access, path).await.assert_status(200);
        }
        let mut token = String::new();
        for what in ways {
            token = told(what, "removed").await;
        }
        app.not_me(&token).await.assert_status(200);
        app.me(access).await.assert_problem(401, "invalid_token");
    }

    /// Whichever notice of what a thief did the owner presses.
    async fn the_ways_in_that_a_thief_added_are_taken_back(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        for pressed in ["new device", "sign-in with Google", "a passkey", "an authenticator app"] {
            let person = app.register_person().await;
            let email = &person.identifier;
            app.advance_seconds(1);
            let mut thief = person.clone();
            thief.tokens = Tokens::of(&app.log_in(email, PASSWORD).await);
            let (subject, address) = (format!("thief-{}", person.id), app.fresh_email());
            bed.link(&thief.tokens.access, &subject, &address).await.assert_status(200);
            app.advance_seconds(1);
            let passkey = app.enrol_passkey(&thief).await;
            app.confirm_with(&mut thief, &passkey, &honest()).await;
            app.advance_seconds(1);
            app.secure(thief).await;
            let notice = app.message_with(email, pressed).await;
            app.not_me(&token_in(&notice, "not-me")).await.assert_status(200);
            app.sign_in_with(&passkey, &honest()).await.assert_problem(401, "invalid_code");
            let entered = bed.enter(&subject, &address).await;
            entered.assert_status(201);
            assert_ne!(entered.text_of("/user/id"), person.id, "{pressed}");
            app.reset_password(email, OTHER_PASSWORD).await.assert_status(200);
            let back = app.log_in(email, OTHER_PASSWORD).await;
            back.assert_status(200);
            assert_eq!(back.data()["status"], "authenticated", "{pressed}: {back:?}");
            assert_eq!(back.data()["user"]["mfa"]["enabled"], false, "{pressed}");
        }
    }

    async fn what_was_there_before_a_notice_stays(engine: Engine) {
        let bed = Bed::start(engine).await;
        let app = &bed.app;
        let owner = bed.owner().await;
        let email = &owner.it.person.identifier;
        app.advance(time::Duration::days(2));
        let challenge = app.challenge_of(&owner.it.person).await;
        app.second_step(&challenge, "totp", &owner.it.code(app)).await.assert_status(200);
        let notice = app.message_with(email, "new device").await;
        app.not_me(&token_in(&notice, "not-me")).await.assert_status(200);
        app.sign_in_with(&owner.passkey, &honest()).await.assert_status(200);
        bed.enter(&owner.subject, email).await.assert_status(200);
        app.reset_password(email, OTHER_PASSWORD).await.assert_status(200);
        let asked = app.log_in(email, OTHER_PASSWORD).await;
        assert_eq!(asked.data()["methods"], json!(["webauthn", "totp", "recovery_code"]));
    }

    /// Whoever reads the mail of an account gets no second factor off it that stands in an earlier one's place.
    async fn no_link_takes_the_last_second_factor_away(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut person = app.register_person().await;
        let first = app.enrol_passkey(&person).await;
        app.advance(time::Duration::days(2));
        person.tokens = Tokens::of(&app.sign_in_with(&first, &honest()).await);
        let notice = app.message_with(&person.identifier, "new device").await;
        app.advance_seconds(1);
        let access = &person.tokens.access;
        let passkeys = app.get_as(access, "/api/v1/me/passkeys").await;
        let first = passkeys.text_of("/items/0/id");
        let second = app.enrol_passkey(&person).await;
        app.delete_as(access, &format!("/api/v1/me/passkeys/{first}")).await.assert_status(200);
        app.not_me(&token_in(&notice, "not-me")).await.assert_status(200);
        app.sign_in_with(&second, &honest()).await.assert_status(200);
    }

    async fn saying_it_was_not_me_shuts_everybody_out(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (thief, token) = app.new_device_of(&person).await;
        app.not_me(&token).await.assert_status(200);
        for tokens in [&person.tokens, &thief] {
            app.me(&tokens.access).await.assert_problem(401, "invalid_token");
            app.refresh(&tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
        }
        assert_eq!(app.count("devices").await, 0);
        assert_eq!(app.audit_outcomes("account.secured").await, ["success"]);
        let secured = "com.fashionistar.auth.account.secured.v1".to_owned();
        assert!(app.event_types().await.contains(&secured));
        app.message_with(&person.identifier, "We've secured your").await;
        // The right password looks like a wrong one, from whichever device, and is counted like one.
        for _ in 0..2 {
            app.log_in(&person.identifier, PASSWORD).await.assert_problem(401, "invalid_credentials");
            app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await
                .assert_problem(401, "invalid_credentials");
        }
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(401, "invalid_credentials");
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(429, "account_locked");
        // The owner reads the mail, and is in again.
        app.reset_password(&person.identifier, OTHER_PASSWORD).await.assert_status(200);
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_status(200);
    }

    async fn a_link_counts_once_and_for_seven_days(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (_, token) = app.new_device_of(&person).await;
        for changed in [token.to_uppercase() + "x", token[1..].to_owned(), format!("{token}0"), "0".repeat(32)] {
            app.not_me(&changed).await.assert_problem(401, "invalid_code");
        }
        app.get(&format!("{NOT_ME}?token={token}")).await.assert_problem(405, "method_not_allowed");
        app.me(&person.tokens.access).await.assert_status(200);
        app.not_me(&token).await.assert_status(200);
        app.not_me(&token).await.assert_problem(401, "invalid_code");
        app.reset_password(&person.identifier, PASSWORD).await.assert_status(200);
        app.advance_seconds(1);
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        app.settle_messages().await;
        let late = token_in(&app.mailbox(&person.identifier).await[0], "not-me");
        assert_ne!(late, token);
        app.advance(time::Duration::days(7));
        app.not_me(&late).await.assert_problem(401, "invalid_code");
        assert_eq!(app.audit_outcomes("account.secured").await, ["success"]);
    }

    /// What the other notices of one theft would ask for is done with the first.
    async fn one_link_makes_the_others_worthless(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (_, first) = app.new_device_of(&person).await;
        app.change_password(&person.tokens.access, PASSWORD, OTHER_PASSWORD).await.assert_status(200);
        let notice = app.message_with(&person.identifier, "password was changed").await;
        app.not_me(&token_in(&notice, "not-me")).await.assert_status(200);
        app.not_me(&first).await.assert_problem(401, "invalid_code");
        app.log_in(&person.identifier, OTHER_PASSWORD).await.assert_problem(401, "invalid_credentials");
    }

    async fn saying_it_many_times_at_once_does_it_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (_, token) = app.new_device_of(&person).await;
        let statuses = race::at_once(20, |_| {
            let (app, token) = (app.clone(), token.clone());
            async move { app.not_me(&token).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|it| **it == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|it| matches!(it, 200 | 401 | 503)), "{statuses:?}");
        assert_eq!(app.audit_outcomes("account.secured").await, ["success"]);
    }

    /// Of sign-ins at that moment none outlives it.
    async fn no_sign_in_with_the_old_password_outlives_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (_, token) = app.new_device_of(&person).await;
        let answers = race::at_once(8, |number| {
            let (app, person, token) = (app.clone(), person.clone(), token.clone());
            async move {
                if number == 0 {
                    app.not_me(&token).await
                } else {
                    app.log_in(&person.identifier, PASSWORD).await
                }
            }
        })
        .await;
        answers[0].assert_status(200);
        for answer in &answers[1..] {
            if answer.status == 200 {
                app.me(&Tokens::of(answer).access).await.assert_problem(401, "invalid_token");
            } else {
                assert!(matches!(answer.status.as_u16(), 401 | 429 | 503), "{answer:?}");
            }
        }
    }

    /// Nothing in the store is a token, or opens one.
    async fn no_token_of_a_link_is_kept(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let (_, token) = app.new_device_of(&person).await;
        let digests = app.count("notice_links WHERE length(digest) = 32").await;
        assert_eq!(digests, 1);
        assert_eq!(token.len(), 32);
    }
}
