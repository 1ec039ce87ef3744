//! Ceilings over all messages.

use serde_json::{Value, json};
use testkit::{
    LogCapture,
    servers::{MailServer, MailTls, SmsGateway},
};

use super::setup::{text_in, through_gateway, through_server};
use crate::{answer::Answer, app::TestApp, person::PASSWORD};

/// What tells one answer from another, without what is new in each.
fn shape(answer: &Answer) -> Value {
    let mut body = answer.json();
    body["data"]["challenge_id"] = json!("…");
    body["data"]["sent_to"] = json!("…");
    body
}

testkit::on_every_engine! {
    async fn a_range_of_numbers_has_a_ceiling_and_nobody_is_told(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = TestApp::start_with(engine, |config| {
            through_gateway(&gateway)(config);
            config.messages.sms.range_hourly_ceiling = 2;
        })
        .await;
        let ask = async |number: &str| {
            let answer = app.ask_to_register(number, PASSWORD).await;
            answer.assert_status(202);
            shape(&answer)
        };
        let within = ask("+2348000000001").await;
        assert_eq!(ask("+2348000000002").await, within);
        app.settle_messages().await;
        assert_eq!(ask("+2348000000003").await, within, "it looks the same");
        assert_eq!(ask("+2348000000004").await, within);
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 2);
        // Another range, of the same country, has room.
        ask("+2347000000001").await;
        app.settle_messages().await;
        assert_eq!(text_in(&gateway.requests()[2]).0, "+2347000000001");
        // In the next hour there is room again.
        app.advance_seconds(3600);
        ask("+2348000000003").await;
        app.settle_messages().await;
        assert_eq!(text_in(&gateway.requests()[3]).0, "+2348000000003");
    }

    async fn a_channel_has_a_ceiling_for_the_day_which_fifty_at_once_do_not_pass(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = TestApp::start_with(engine, |config| {
            through_gateway(&gateway)(config);
            config.messages.sms.daily_ceiling = 7;
        })
        .await;
        let other = app.another_node_with(|config| {
            through_gateway(&gateway)(config);
            config.messages.sms.daily_ceiling = 7;
        })
        .await;
        let asked = testkit::race::fifty_at_once(|rival| {
            let node = if rival % 2 == 0 { app.clone() } else { other.clone() };
            async move { node.ask(&node.fresh_number()).await }
        })
        .await;
        assert_eq!(asked.len(), 50);
        // Who found no room on a busy machine is put off by the service's clock, which stands still.
        app.until_nothing_is_held().await;
        app.pass_seconds(3).await;
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 7);
    }

    async fn a_notice_waits_where_a_code_is_dropped(engine: Engine) {
        let mail = MailServer::start(MailTls::None);
        let app = TestApp::start_with(engine, |config| {
            through_server(&mail)(config);
            config.messages.email.daily_ceiling = 2;
            config.messages.email.notice_daily_ceiling = 1;
        })
        .await;
        let (one, other) = (app.fresh_email(), app.fresh_email());
        for (count, email) in [&one, &other].into_iter().enumerate() {
            let challenge = app.ask(email).await;
            app.until("the code arrives", async || mail.mails().len() == count + 1).await;
            app.prove(&challenge, &mail.mails()[count].code()).await;
        }
        // The codes of the day are used up: a notice goes out all the same, and a second one waits.
        for email in [&one, &other] {
            for _ in 0..5 {
                app.log_in(email, "a wrong password").await;
            }
            app.until("the first arrives", async || mail.mails().len() == 3).await;
        }
        app.ask(&app.fresh_email()).await;
        app.until("one is left", async || {
            app.count("outbox_messages WHERE lease_id IS NULL").await == 1
                && app.count("outbox_messages").await == 1
        })
        .await;
        assert_eq!(mail.mails().len(), 3);
        app.pass_seconds(86_400).await;
        app.settle_messages().await;
        let mails = mail.mails();
        assert_eq!(mails.len(), 4);
        for notice in &mails[2..] {
            assert_eq!(notice.header("Subject"), Some("Password sign-in to Fashionistar is paused"));
        }
    }

    /// However many notices there are, of whomever.
    async fn a_code_goes_out_when_the_notices_of_the_day_are_used_up(engine: Engine) {
        let mail = MailServer::start(MailTls::None);
        let app = TestApp::start_with(engine, |config| {
            through_server(&mail)(config);
            config.messages.email.notice_daily_ceiling = 0;
        })
        .await;
        let email = app.fresh_email();
        let challenge = app.ask(&email).await;
        app.until("the code arrives", async || mail.mails().len() == 1).await;
        app.prove(&challenge, &mail.mails()[0].code()).await;
        app.log_in(&email, PASSWORD).await.assert_status(200);
        app.until("the notice is held back", async || {
            app.count("outbox_messages WHERE kind = 'new_device' AND lease_id IS NULL").await == 1
        })
        .await;
        app.post("/api/v1/auth/login/otp", &json!({"identifier": email})).await.assert_status(202);
        app.until("a code arrives", async || mail.mails().len() == 2).await;
        assert_eq!(mail.mails()[1].code().len(), 6);
    }

    async fn what_strangers_set_off_leaves_room_for_what_was_done(engine: Engine) {
        let mail = MailServer::start(MailTls::None);
        let app = TestApp::start_with(engine, |config| {
            through_server(&mail)(config);
            config.messages.email.notice_daily_ceiling = 2;
        })
        .await;
        let mut people = Vec::new();
        for count in 1..=2 {
            let email = app.fresh_email();
            let challenge = app.ask(&email).await;
            app.until("the code arrives", async || mail.mails().len() == count).await;
            app.prove(&challenge, &mail.mails()[count - 1].code()).await;
            people.push(email);
        }
        for email in &people {
            for _ in 0..5 {
                app.log_in(email, "a wrong password").await;
            }
            app.until("one of them is sent", async || mail.mails().len() == 3).await;
        }
        app.until("the other is held back", async || {
            app.count("outbox_messages WHERE lease_id IS NULL").await == 1
        })
        .await;
        app.advance_seconds(900);
        app.log_in(&people[0], PASSWORD).await.assert_status(200);
        app.until("the notice arrives", async || mail.mails().len() == 4).await;
        let subject = mail.mails()[3].header("Subject").map(ToOwned::to_owned);
        assert_eq!(subject.as_deref(), Some("A new device signed in to Fashionistar"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reaching_a_ceiling_is_told_once() {
    let logs = LogCapture::of_this_process();
    let gateway = SmsGateway::start();
    let app = TestApp::start_with(testkit::Engine::Embedded, |config| {
        through_gateway(&gateway)(config);
        config.messages.sms.daily_ceiling = 1;
    })
    .await;
    for _ in 0..4 {
        app.ask(&app.fresh_number()).await;
    }
    app.settle_messages().await;
    let text = logs.text();
    assert_eq!(
        text.matches("a ceiling of messages is reached").count(),
        1,
        "{text}"
    );
    assert!(text.contains("sms:day"));
}
