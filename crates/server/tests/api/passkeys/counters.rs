//! Signature counters: two of what there should be one of.

use testkit::{
    authenticator::{Conduct, SoftPasskey},
    race,
};

use super::setup::honest;
use crate::app::TestApp;

fn counting(counter: u32) -> Conduct {
    Conduct {
        counter,
        ..honest()
    }
}

testkit::on_every_engine! {
    /// T28: the owner is told; the passkey itself goes on.
    async fn a_counter_that_does_not_grow_is_refused_and_told(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey_as(&person, &counting(1)).await;
        app.sign_in_with(&passkey, &counting(10)).await.assert_status(200);
        for stale in [9, 10, 0] {
            let refused = app.sign_in_with(&passkey, &counting(stale)).await;
            refused.assert_problem(401, "invalid_code");
        }
        app.sign_in_with(&passkey, &counting(11)).await.assert_status(200);
        assert_eq!(app.audit_outcomes("passkey.copy_suspected").await, ["success"; 3]);
        let refused = app.audit_outcomes("session.sign_in").await;
        assert_eq!(refused.iter().filter(|it| *it == "counter_regressed").count(), 3);
        let suspected = "com.fashionistar.auth.passkey.copy_suspected.v1";
        let events = app.event_types().await;
        assert_eq!(events.iter().filter(|it| *it == suspected).count(), 3);
        // The first at once, the others in one summary.
        app.settle_messages().await;
        let has = |notices: &[serde_json::Value], name: &str, words: &str| {
            notices.iter().filter(|it| it[name].as_str().is_some_and(|text| text.contains(words))).count()
        };
        let notices = app.mailbox(&person.identifier).await;
        assert_eq!(has(&notices, "subject", "may have been copied"), 1, "{notices:?}");
        app.pass_seconds(15 * 60).await;
        app.settle_messages().await;
        let notices = app.mailbox(&person.identifier).await;
        let summary = "2 more times: someone tried to sign in with a copy of one of your passkeys";
        assert_eq!(has(&notices, "text", summary), 1, "{notices:?}");
    }

    /// Whoever kept a signature of a suspended account cannot bring its counter again later.
    async fn a_counter_that_a_suspended_account_showed_is_not_new_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey_as(&person, &counting(1)).await;
        app.set_account_status(&person.id, "suspended").await;
        app.sign_in_with(&passkey, &counting(10)).await.assert_problem(403, "account_suspended");
        app.set_account_status(&person.id, "active").await;
        app.sign_in_with(&passkey, &counting(10)).await.assert_problem(401, "invalid_code");
        app.sign_in_with(&passkey, &counting(11)).await.assert_status(200);
    }

    /// T28.
    async fn a_device_that_does_not_count_signs_in_again_and_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey_as(&person, &counting(0)).await;
        for _ in 0..3 {
            app.sign_in_with(&passkey, &counting(0)).await.assert_status(200);
        }
        assert_eq!(app.audit_outcomes("passkey.copy_suspected").await, [""; 0]);
    }

    async fn copies_of_a_backed_up_passkey_count_each_for_themselves(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let synced = |counter| Conduct {
            backup_eligible: true,
            backed_up: true,
            ..counting(counter)
        };
        let passkey = app.enrol_passkey_as(&person, &synced(5)).await;
        for counter in [9, 2, 9, 0] {
            app.sign_in_with(&passkey, &synced(counter)).await.assert_status(200);
        }
    }

    /// A thief who has the key can sign whatever flags they like.
    async fn a_copy_cannot_declare_itself_a_backup(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey_as(&person, &counting(10)).await;
        for claimed in [
            Conduct { backup_eligible: true, backed_up: true, ..counting(3) },
            Conduct { backup_eligible: true, ..counting(11) },
            Conduct { backed_up: true, ..counting(11) },
        ] {
            let refused = app.sign_in_with(&passkey, &claimed).await;
            refused.assert_problem(401, "invalid_code");
        }
        app.sign_in_with(&passkey, &counting(11)).await.assert_status(200);
    }

    /// Each with a challenge of its own, so that nothing but the counter tells them apart.
    async fn of_many_signatures_with_one_counter_one_signs_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let passkey = app.enrol_passkey_as(&person, &counting(1)).await;
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(signed(&app, &passkey, &counting(2)).await);
        }
        let statuses = race::at_once(answers.len(), |number| {
            let (app, (challenge, credential)) = (app.clone(), answers[number].clone());
            async move { app.answer_with_passkey(&challenge, &credential).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|it| **it == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|it| [200, 401].contains(it)), "{statuses:?}");
    }
}

async fn signed(
    app: &TestApp,
    passkey: &SoftPasskey,
    conduct: &Conduct,
) -> (String, serde_json::Value) {
    let asked = app.ask_for_passkey().await;
    let credential = passkey.sign(&asked.options, conduct);
    (asked.challenge, credential)
}
