//! Notices of one kind to one account: the first at once, the rest together.

use serde_json::{Value, json};

use crate::{
    app::TestApp,
    identifier::token_in,
    passkeys::honest,
    person::{OTHER_PASSWORD, PASSWORD, Person, Tokens},
};

const SPACING: i64 = 15 * 60;
const SUMMARY: &str = "More activity on your Fashionistar account";

impl TestApp {
    /// The notices that a person got, oldest first.
    async fn notices_to(&self, person: &Person) -> Vec<Value> {
        self.settle_messages().await;
        let mut messages = self.mailbox(&person.identifier).await;
        messages.retain(|it| it["code"].is_null());
        messages.reverse();
        messages
    }

    async fn fails_to_sign_in(&self, person: &Person) {
        for _ in 0..5 {
            self.log_in(&person.identifier, "a wrong password")
                .await
                .assert_problem(401, "invalid_credentials");
        }
    }
}

testkit::on_every_engine! {
    async fn twenty_sign_ins_from_new_devices_are_two_messages(engine: Engine) {
        let app = TestApp::start(engine).await;
        for identifier in [app.fresh_email(), app.fresh_number()] {
            let person = app.register_as(&identifier, PASSWORD).await;
            for _ in 0..20 {
                app.log_in(&identifier, PASSWORD).await.assert_status(200);
                app.advance_seconds(1);
            }
            assert_eq!(app.notices_to(&person).await.len(), 1, "the first at once");
            assert_eq!(app.count("outbox_messages").await, 1, "however many there are");
            app.pass_seconds(SPACING).await;
            let notices = app.notices_to(&person).await;
            assert_eq!(notices.len(), 2, "{notices:#?}");
            let text = notices[1]["text"].as_str().unwrap();
            assert!(text.contains("19 more"), "{text}");
            if identifier.contains('@') {
                assert_eq!(notices[1]["subject"], SUMMARY);
                assert!(text.contains("a new device signed in") && text.contains("and 9 more"), "{text}");
            }
            app.pass_seconds(86_400).await;
            assert_eq!(app.notices_to(&person).await.len(), 2, "there is no more to tell");
        }
    }

    async fn a_stranger_who_never_stops_is_told_of_less_and_less_often(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for round in 0..96 {
            app.fails_to_sign_in(&person).await;
            // Its owner signs in now and then, so that the password is not closed after a hundred failures in a row.
            if round % 10 == 0 {
                let own = app.log_in_from(&person.device_token, &person.identifier, PASSWORD).await;
                own.assert_status(200);
            }
            app.advance_seconds(SPACING);
        }
        app.wake_worker().await;
        let notices = app.notices_to(&person).await;
        assert!((3..=6).contains(&notices.len()), "{}", notices.len());
        assert_eq!(notices[0]["subject"], "Password sign-in to Fashionistar is paused");
        assert!(app.count("outbox_messages").await <= 1);
    }

    /// Whoever hides an act behind a burst of another kind hides nothing.
    async fn an_act_of_another_kind_is_told_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for _ in 0..5 {
            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        }
        app.change_password(&person.tokens.access, PASSWORD, OTHER_PASSWORD).await.assert_status(200);
        let mut back = person.clone();
        back.tokens = Tokens::of(&app.log_in(&person.identifier, OTHER_PASSWORD).await);
        app.enrol_passkey(&back).await;
        let notices = app.notices_to(&person).await;
        let has = |words: &str| notices.iter().any(|it| it["text"].as_str().unwrap().contains(words));
        assert_eq!(notices.len(), 3, "{notices:#?}");
        assert!(has("signed in to your account") && has("password was changed") && has("a passkey"));
    }

    /// What a thief did between the first notice and the summary goes with the summary's link, and so does what
    /// they did before it.
    async fn the_link_of_a_summary_secures_everything_since_the_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.advance_seconds(1);
        let mut thief = person.clone();
        for _ in 0..2 {
            thief.tokens = Tokens::of(&app.log_in(&person.identifier, PASSWORD).await);
            app.advance_seconds(1);
        }
        let first = app.enrol_passkey(&thief).await;
        app.advance_seconds(60);
        app.confirm_with(&mut thief, &first, &honest()).await;
        let second = app.enrol_passkey(&thief).await;
        app.pass_seconds(SPACING).await;
        let mut summaries = app.notices_to(&person).await;
        summaries.retain(|it| it["subject"] == SUMMARY);
        let about = |words: &str| {
            let says = |it: &&Value| it["text"].as_str().is_some_and(|text| text.contains(words));
            summaries.iter().find(says).expect("a summary")
        };
        assert_eq!(summaries.len(), 2, "{summaries:#?}");
        about("a passkey was added");
        let link = token_in(about("a new device signed in"), "not-me");
        app.not_me(&link).await.assert_status(200);
        for passkey in [&first, &second] {
            app.sign_in_with(passkey, &honest()).await.assert_problem(401, "invalid_code");
        }
        app.refresh(&thief.tokens.refresh).await.assert_problem(401, "invalid_refresh_token");
    }

    /// Their links are worth nothing by then. What happens next is told at once, with one that counts.
    async fn whoever_said_it_was_not_them_hears_of_what_waited_and_of_the_next_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for _ in 0..3 {
            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
            app.advance_seconds(1);
        }
        let first = token_in(&app.notices_to(&person).await[0], "not-me");
        app.not_me(&first).await.assert_status(200);
        app.until("what waited", async || {
            app.notices_to(&person).await.iter().any(|it| it["subject"] == SUMMARY)
        })
        .await;
        let notices = app.notices_to(&person).await;
        let summary = notices.iter().find(|it| it["subject"] == SUMMARY).expect("what waited");
        let text = summary["text"].as_str().unwrap();
        assert!(text.contains("2 more times") && !text.contains("not-me"), "{text}");
        app.reset_password(&person.identifier, PASSWORD).await.assert_status(200);
        app.advance_seconds(1);
        app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        let last = app.notices_to(&person).await.pop().unwrap();
        assert_eq!(last["subject"], "A new device signed in to Fashionistar");
        app.not_me(&token_in(&last, "not-me")).await.assert_status(200);
    }

    /// A stranger's failures say nothing of whether there is somebody.
    async fn nobody_and_somebody_are_gathered_alike(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let _quiet = app.quiet().await;
        for identifier in [&person.identifier, "nobody-at-all@example.com"] {
            let before = (app.count("notice_gatherings").await, app.count("outbox_messages").await);
            for _ in 0..3 {
                for _ in 0..5 {
                    app.log_in(identifier, "a wrong password").await;
                }
                app.advance_seconds(SPACING);
            }
            let after = (app.count("notice_gatherings").await, app.count("outbox_messages").await);
            assert_eq!((after.0 - before.0, after.1 - before.1), (1, 3), "{identifier}");
        }
    }

    async fn seventy_sets_of_recovery_codes_are_few_and_two_messages(engine: Engine) {
        let app = TestApp::start(engine).await;
        let it = app.secured_person().await;
        let access = &it.person.tokens.access;
        app.settle_messages().await;
        let before = app.notices_to(&it.person).await.len();
        let mut made = 0;
        for _ in 0..70 {
            let answer = app.post_as(access, "/api/v1/me/mfa/recovery-codes", &json!({})).await;
            if answer.status == 200 {
                made += 1;
            } else {
                answer.assert_problem(429, "rate_limited");
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
        }
        assert_eq!(made, 10);
        app.me(access).await.assert_status(200);
        app.pass_seconds(SPACING).await;
        assert_eq!(app.notices_to(&it.person).await.len(), before + 2);
    }
}
