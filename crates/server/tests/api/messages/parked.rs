//! What cannot be sent is tried, parked, and sent again when an operator says so.

use std::process::Command;

use serde_json::json;
use testkit::servers::{GatewayAnswer, SmsGateway};

use super::setup::{code_in, text_in, with_gateway};
use crate::{
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD, Person},
};

impl TestApp {
    /// What a command says when it is run on this service's database.
    fn command(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_fashionistar-auth"))
            .args(arguments)
            .env_clear()
            .env("FASHIONISTAR_AUTH__DATABASE__URL", self.database().url())
            .output()
            .expect("the binary runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Registers by number.
    async fn register_number(&self, gateway: &SmsGateway) -> Person {
        let number = self.fresh_number();
        let challenge = self.ask(&number).await;
        let code = code_in(&self.requests_at(gateway, 1).await[0]);
        let answer = self.verify(&challenge, &code).await;
        answer.assert_status(201);
        Person::signed_in(&number, PASSWORD, &answer)
    }
}

testkit::on_every_engine! {
    async fn a_code_arrives_as_long_as_it_counts_however_often_it_was_put_off(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        gateway.always(GatewayAnswer::Status(503, None));
        let number = app.fresh_number();
        let challenge = app.ask(&number).await;
        // Eight minutes, in steps that are longer than any pause of a code.
        for attempt in 1..8 {
            app.requests_at(&gateway, attempt).await;
            app.until_nothing_is_held().await;
            app.pass_seconds(70).await;
        }
        gateway.always(GatewayAnswer::Status(202, None));
        app.requests_at(&gateway, 8).await;
        app.until_nothing_is_held().await;
        app.pass_seconds(70).await;
        app.settle_messages().await;
        let requests = gateway.requests();
        let first = (&requests[0].headers["idempotency-key"], &requests[0].body);
        for request in &requests {
            assert_eq!((&request.headers["idempotency-key"], &request.body), first);
        }
        app.prove(&challenge, &code_in(&requests[0])).await;
    }

    async fn a_provider_says_when_to_come_back(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        gateway.next(GatewayAnswer::Status(429, Some("120".to_owned())));
        app.ask(&app.fresh_number()).await;
        app.requests_at(&gateway, 1).await;
        app.until_nothing_is_held().await;
        app.pass_seconds(119).await;
        app.until("the decoy is gone", async || app.count("outbox_messages").await == 1).await;
        assert_eq!(gateway.requests().len(), 1);
        app.pass_seconds(4).await;
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 2);
    }

    async fn a_code_that_is_late_is_dropped(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        gateway.next(GatewayAnswer::Status(503, Some("610".to_owned())));
        app.ask(&app.fresh_number()).await;
        app.requests_at(&gateway, 1).await;
        app.until_nothing_is_held().await;
        app.until("it is given up", async || app.count("outbox_messages").await == 0).await;
        app.pass_seconds(620).await;
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 1);
    }

    async fn an_operator_sees_parked_messages_and_has_them_sent_again(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        let person = app.register_number(&gateway).await;
        assert_eq!(app.command(&["messages", "parked"]), "no message is parked\n");

        gateway.next(GatewayAnswer::Status(400, None));
        let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        app.post_as(&person.tokens.access, "/api/v1/auth/password/change", &body).await.assert_status(200);
        app.until("it is parked", async || app.parked().await == 1).await;
        let listed = app.command(&["messages", "parked"]);
        let (id, rest) = listed.split_once("  ").expect("an id");
        assert!(rest.contains("password_changed"), "{listed}");
        assert!(rest.contains("the provider refuses the message (it answered 400)"), "{listed}");
        assert!(!listed.contains(&person.identifier[1..]), "{listed}");
        assert_eq!(listed.lines().count(), 1);

        assert_eq!(app.command(&["messages", "resend", id]), format!("{id}  due again\n"));
        // Due from now on, which for a clock that was set back is far ahead.
        app.pass_seconds(50 * 365 * 86_400).await;
        let requests = app.requests_at(&gateway, 3).await;
        assert_eq!(requests[1].headers["idempotency-key"], id);
        assert_eq!(requests[2].headers["idempotency-key"], id);
        assert_eq!(text_in(&requests[2]).0, person.identifier);
        app.settle_messages().await;
        assert_eq!(app.command(&["messages", "parked"]), "no message is parked\n");
    }

    async fn all_parked_messages_are_sent_again_or_one_is_deleted(engine: Engine) {
        let gateway = SmsGateway::start();
        let app = with_gateway(engine, &gateway).await;
        gateway.always(GatewayAnswer::Status(400, None));
        for _ in 0..3 {
            app.ask(&app.fresh_number()).await;
        }
        app.until("they are parked", async || app.parked().await == 3).await;
        let listed = app.command(&["messages", "parked"]);
        let id = listed.split_once(' ').expect("an id").0;
        assert_eq!(app.command(&["messages", "delete", id]), format!("{id}  deleted\n"));
        assert_eq!(app.command(&["messages", "resend", "--all"]), "2 messages are due again\n");
        // They are codes, and too old by then.
        app.pass_seconds(50 * 365 * 86_400).await;
        app.settle_messages().await;
        assert_eq!(gateway.requests().len(), 3);
    }
}
