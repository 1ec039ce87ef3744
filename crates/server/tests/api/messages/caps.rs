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
            config.messages.email.daily_ceiling = 1;
        })
        .await;
        let email = app.fresh_email();
        let challenge = app.ask(&email).await;
        app.until("the code arrives", async || mail.mails().len() == 1).await;
        app.prove(&challenge, &mail.mails()[0].code()).await;
        // Five failures tell the owner; a code for somebody else goes nowhere.
        for _ in 0..5 {
            app.log_in(&email, "a wrong password").await;
        }
        app.ask(&app.fresh_email()).await;
        app.until("one is left", async || {
            app.count("outbox_messages WHERE lease_id IS NULL").await == 1
                && app.count("outbox_messages").await == 1
        })
        .await;
        assert_eq!(mail.mails().len(), 1);
        app.pass_seconds(86_400).await;
        app.settle_messages().await;
        let mails = mail.mails();
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[1].header("Subject"), Some("Sign-in to Fashionistar is paused"));
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
