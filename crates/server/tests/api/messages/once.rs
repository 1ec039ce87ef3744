//! Nobody waits for a provider, and no code goes out twice.

use serde_json::json;
use testkit::servers::{GatewayAnswer, MailServer, MailTls, SmsGateway};

use super::setup::{code_in, text_in, through_gateway, through_server, with_gateway};
use crate::app::TestApp;

testkit::on_every_engine! {
    async fn nobody_waits_for_a_provider_that_hangs(engine: Engine) {
        let (mut mail, gateway) = (MailServer::start(MailTls::None), SmsGateway::start());
        let app = TestApp::start_with(engine, |config| {
            through_gateway(&gateway)(config);
            let sms = config.messages.sms.clone();
            through_server(&mail)(config);
            config.messages.sms = sms;
        })
        .await;
        gateway.always(GatewayAnswer::Hang);
        let (number, email) = (app.fresh_number(), app.fresh_email());
        // Answered, while the gateway has the message and says nothing.
        let challenge = app.ask(&number).await;
        let caught = app.requests_at(&gateway, 1).await;
        // More of them than there is room for on the channel, and mail goes on beside them.
        for _ in 0..30 {
            app.ask(&app.fresh_number()).await;
        }
        let by_mail = app.ask(&email).await;
        app.until("the mail arrives", async || !mail.mails().is_empty()).await;
        app.prove(&by_mail, &mail.mails()[0].code()).await;
        // The code is good, although its provider has not answered yet.
        app.prove(&challenge, &code_in(&caught[0])).await;
        gateway.always(GatewayAnswer::Status(202, None));
        gateway.release();
        mail.release();
        app.pass_seconds(3).await;
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 31);
    }

    async fn a_code_that_may_be_out_is_not_sent_again(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        gateway.always(GatewayAnswer::Drop);
        let number = app.fresh_number();
        let challenge = app.ask(&number).await;
        let first = app.requests_at(&gateway, 1).await;
        app.settle_messages().await;
        app.pass_seconds(59).await;
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 1);
        // Whoever got nothing asks again, and gets another code.
        gateway.always(GatewayAnswer::Status(202, None));
        app.advance_seconds(2);
        let body = json!({"challenge_id": challenge});
        app.post("/api/v1/auth/resend-otp", &body).await.assert_status(202);
        let second = app.requests_at(&gateway, 2).await;
        assert_ne!(code_in(&first[0]), code_in(&second[1]));
        app.prove(&challenge, &code_in(&second[1])).await;
    }

    async fn a_notice_that_may_be_out_is_sent_again_under_the_same_id_and_not_for_ever(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        let number = app.fresh_number();
        let challenge = app.ask(&number).await;
        let code = code_in(&app.requests_at(&gateway, 1).await[0]);
        app.prove(&challenge, &code).await;
        // Somebody asks for an account with the same number: its owner is told, in the place of a code.
        gateway.always(GatewayAnswer::Drop);
        app.advance_seconds(61);
        for _ in 0..5 {
            app.log_in(&number, "a wrong password").await.assert_problem(401, "invalid_credentials");
        }
        // The first repetition is soon, the others come every hour.
        for attempt in 2..=9 {
            app.requests_at(&gateway, attempt).await;
            app.until_nothing_is_held().await;
            app.pass_seconds(if attempt == 2 { 60 } else { 3_600 }).await;
        }
        app.until("it is parked", async || app.parked().await == 1).await;
        let requests = gateway.requests();
        assert_eq!(requests.len(), 9);
        let ids: std::collections::HashSet<_> =
            requests[1..].iter().map(|request| &request.headers["idempotency-key"]).collect();
        assert_eq!(ids.len(), 1);
        assert!(text_in(&requests[3]).1.contains("paused"));
    }

    async fn a_worker_that_ended_amid_a_sending_leaves_no_second_code(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        gateway.always(GatewayAnswer::Hang);
        app.ask(&app.fresh_number()).await;
        app.requests_at(&gateway, 1).await;
        // For everybody else its worker is gone: the lease runs out while it waits. The code still counts.
        let other = app.another_node_with(through_gateway(&gateway)).await;
        other.pass_seconds(120).await;
        other.settle_messages().await;
        gateway.release();
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 1);
    }

    async fn a_notice_whose_worker_ended_amid_the_sending_is_sent_again(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        let number = app.fresh_number();
        let challenge = app.ask(&number).await;
        let code = code_in(&app.requests_at(&gateway, 1).await[0]);
        app.prove(&challenge, &code).await;
        gateway.next(GatewayAnswer::Hang);
        for _ in 0..5 {
            app.log_in(&number, "a wrong password").await;
        }
        app.requests_at(&gateway, 2).await;
        let other = app.another_node_with(through_gateway(&gateway)).await;
        other.pass_seconds(120).await;
        let requests = other.requests_at(&gateway, 3).await;
        assert_eq!(
            requests[1].headers["idempotency-key"],
            requests[2].headers["idempotency-key"]
        );
        gateway.release();
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 3);
    }

    async fn two_nodes_send_each_code_once(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        let other = app.another_node_with(through_gateway(&gateway)).await;
        let mut expected = Vec::new();
        for _ in 0..15 {
            for node in [&app, &other] {
                let number = app.fresh_number();
                node.ask(&number).await;
                expected.push(number);
            }
        }
        app.settle_messages().await;
        let mut got: Vec<String> =
            gateway.requests().iter().map(|request| text_in(request).0).collect();
        got.sort();
        assert_eq!(got, expected);
    }
}
