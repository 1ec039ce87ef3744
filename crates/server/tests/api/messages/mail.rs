//! Mail through a real server.

use adapters_messaging::SmtpSecurity;
use serde_json::json;
use testkit::servers::{MailServer, MailTls};

use super::setup::through_server;
use crate::{
    app::TestApp,
    person::{PASSWORD, Person},
};

testkit::on_every_engine! {
    async fn a_person_registers_by_mail_over_tls_in_their_language(engine: Engine) {
        let mail = MailServer::start_for(MailTls::StartTls, "shop", "s3cret");
        let app = TestApp::start_with(engine, |config| {
            through_server(&mail)(config);
            let smtp = &mut config.messages.email.smtp;
            smtp.security = SmtpSecurity::StartTls;
            smtp.username = Some("shop".to_owned());
            smtp.password = Some("s3cret".into());
            smtp.ca_file = Some(mail.ca_file());
            config.http.public_url = Some("https://auth.shop.example".parse().unwrap());
            config.messages.reset_page_url = Some("https://shop.example/reset".parse().unwrap());
        })
        .await;
        let email = app.fresh_email();
        let body = json!({"email": email, "password": PASSWORD, "language": "fr-CI"});
        let challenge = app.post("/api/v1/auth/register", &body).await;
        challenge.assert_status(202);
        app.until("the mail arrives", async || mail.mails().len() == 1).await;
        let first = mail.mails().remove(0);
        assert!(first.encrypted);
        assert_eq!(first.hello, "auth.shop.example");
        assert_eq!(first.to, std::slice::from_ref(&email));
        assert_eq!(first.header("From"), Some("Fashionistar <no-reply@shop.example>"));
        assert_eq!(first.header("Subject"), Some("Votre code Fashionistar"));
        assert_eq!(first.header("Auto-Submitted"), Some("auto-generated"));
        let id = challenge.text_of("/challenge_id");
        let answer = app.verify(&id, &first.code()).await;
        answer.assert_status(201);
        let person = Person::signed_in(&email, PASSWORD, &answer);

        // In the account's language; the link leads to the configured page whatever the request says.
        app.advance_seconds(61);
        let request = app
            .request("POST", "/api/v1/auth/password/reset")
            .header("X-Forwarded-Host", "evil.example")
            .json(&json!({"identifier": person.identifier}));
        app.send(request).await.assert_status(202);
        app.until("the mail arrives", async || mail.mails().len() == 2).await;
        let reset = mail.mails().remove(1);
        let text = reset.text.replace("=\r\n", "").replace("=3D", "=");
        assert!(text.contains("https://shop.example/reset#token="), "{text}");
        assert!(!text.contains("evil.example"));
        assert_ne!(reset.header("Message-ID"), first.header("Message-ID"));
    }

    async fn a_refused_mail_is_parked_and_one_put_off_arrives_once(engine: Engine) {
        let mut mail = MailServer::start(MailTls::None);
        let app = TestApp::start_with(engine, through_server(&mail)).await;
        mail.order("rcpt 550");
        app.ask(&app.fresh_email()).await;
        app.until("it is parked", async || app.parked().await == 1).await;
        // Greylisting.
        mail.order("rcpt 451");
        let email = app.fresh_email();
        let challenge = app.ask(&email).await;
        app.until("it is put off", async || mail.refusals() == 2).await;
        app.until_nothing_is_held().await;
        app.pass_seconds(2).await;
        app.until("only the parked one is left", async || app.count("outbox_messages").await == 1)
            .await;
        assert_eq!(mail.mails().len(), 1);
        app.prove(&challenge, &mail.mails()[0].code()).await;
    }

    async fn a_mail_that_may_be_out_is_not_sent_again(engine: Engine) {
        let mut mail = MailServer::start(MailTls::None);
        let app = TestApp::start_with(engine, through_server(&mail)).await;
        mail.order("drop");
        let challenge = app.ask(&app.fresh_email()).await;
        app.until("the server has it", async || mail.mails().len() == 1).await;
        app.settle_messages().await;
        app.pass_seconds(300).await;
        app.settle_messages().await;
        assert_eq!(mail.mails().len(), 1);
        app.prove(&challenge, &mail.mails()[0].code()).await;
    }

    async fn mail_waits_for_a_server_that_somebody_vouches_for(engine: Engine) {
        let mail = MailServer::start(MailTls::StartTls);
        let app = TestApp::start_with(engine, |config| {
            through_server(&mail)(config);
            config.messages.email.smtp.security = SmtpSecurity::StartTls;
            config.messages.email.smtp.ca_file = Some(mail.other_ca_file());
        })
        .await;
        app.ask(&app.fresh_email()).await;
        app.until("it was tried", async || {
            app.count("outbox_messages WHERE attempts = 1 AND lease_id IS NULL").await == 1
        })
        .await;
        assert!(mail.mails().is_empty());
    }
}
