//! Text messages.

use std::{fs, time::Duration as StdDuration};

use adapters_messaging::{
    BodyTemplate, ByChannel, GatewayConfig, GatewayUrl, HttpGateway, Twilio, TwilioConfig,
};
use authentication_app::ports::{DeliveryError, MessageSender};
use testkit::servers::{GatewayAnswer, MailServer, MailTls, SmsGateway};
use time::Duration;

use super::{LONG, SHORT, away, message, refused};

const NUMBER: &str = "+2348012345678";

fn config(url: &str, timeout: StdDuration) -> GatewayConfig {
    GatewayConfig {
        url: GatewayUrl(url.parse().unwrap()),
        token: Some("s3cret".into()),
        from: None,
        body: BodyTemplate::default(),
        timeout,
        ca_pem: None,
    }
}

fn twilio(url: &str) -> Twilio {
    Twilio::new(TwilioConfig {
        base: GatewayUrl(url.parse().unwrap()),
        account_sid: "AC17".to_owned(),
        auth_token: "s3cret".into(),
        from: "+12025550123".to_owned(),
        timeout: LONG,
        ca_pem: None,
    })
    .unwrap()
}

async fn send(sender: &impl MessageSender) -> Result<(), DeliveryError> {
    sender.send(&message(NUMBER)).await
}

#[tokio::test]
async fn a_gateway_gets_the_message_once_with_its_id_and_our_token() {
    let gateway = SmsGateway::start();
    let sender = HttpGateway::new(config(&gateway.url(), LONG)).unwrap();
    assert_eq!(send(&sender).await, Ok(()));
    let request = gateway.requests().remove(0);
    assert_eq!(request.target, "POST /send?v=1");
    assert_eq!(request.headers["authorization"], "Bearer s3cret");
    assert_eq!(request.headers["content-type"], "application/json");
    let id = "00000000-0000-0000-0000-000000000007";
    assert_eq!(request.headers["idempotency-key"], id);
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let expected = serde_json::json!({"id": id, "to": NUMBER, "text": "490317 est votre code."});
    assert_eq!(body, expected);
    assert_eq!(gateway.requests().len(), 1);
}

#[tokio::test]
async fn twilio_gets_a_form_for_the_account() {
    let gateway = SmsGateway::start();
    let base = format!("http://127.0.0.1:{}/", gateway.port());
    assert_eq!(send(&twilio(&base)).await, Ok(()));
    let request = gateway.requests().remove(0);
    assert_eq!(
        request.target,
        "POST /2010-04-01/Accounts/AC17/Messages.json"
    );
    // Base64 of `AC17:s3cret`.
    assert_eq!(request.headers["authorization"], "Basic QUMxNzpzM2NyZXQ=");
    let body = "To=%2B2348012345678&From=%2B12025550123&Body=490317+est+votre+code.";
    assert_eq!(request.body, body);
}

#[tokio::test]
async fn a_messaging_service_takes_the_place_of_a_number() {
    let gateway = SmsGateway::start();
    let sender = Twilio::new(TwilioConfig {
        base: GatewayUrl(
            format!("http://127.0.0.1:{}", gateway.port())
                .parse()
                .unwrap(),
        ),
        account_sid: "AC17".to_owned(),
        auth_token: "s3cret".into(),
        from: "MG42".to_owned(),
        timeout: LONG,
        ca_pem: None,
    })
    .unwrap();
    assert_eq!(send(&sender).await, Ok(()));
    assert!(
        gateway.requests()[0]
            .body
            .contains("&MessagingServiceSid=MG42&")
    );
}

#[tokio::test]
async fn what_the_gateway_answers_says_whether_to_try_again() {
    let gateway = SmsGateway::start();
    let sender = HttpGateway::new(config(&gateway.url(), LONG)).unwrap();
    for (status, expected) in [
        (503, away(503)),
        (500, Err(DeliveryError::Unknown)),
        (400, refused(400)),
        (401, away(401)),
        (504, Err(DeliveryError::Unknown)),
    ] {
        gateway.next(GatewayAnswer::Status(status, None));
        assert_eq!(send(&sender).await, expected, "{status}");
    }
    gateway.next(GatewayAnswer::Status(429, Some("90".to_owned())));
    let expected = DeliveryError::Away {
        status: Some(429),
        retry_after: Some(Duration::seconds(90)),
    };
    assert_eq!(send(&sender).await, Err(expected));
    assert_eq!(gateway.requests().len(), 6, "nothing is repeated by itself");
}

#[tokio::test]
async fn without_an_answer_nothing_is_known() {
    let gateway = SmsGateway::start();
    let sender = HttpGateway::new(config(&gateway.url(), SHORT)).unwrap();
    for silence in [GatewayAnswer::Drop, GatewayAnswer::Hang] {
        gateway.next(silence);
        assert_eq!(send(&sender).await, Err(DeliveryError::Unknown));
    }
    assert_eq!(gateway.requests().len(), 2);
    gateway.release();
}

#[tokio::test]
async fn what_could_not_connect_certainly_did_not_go_out() {
    let port = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let sender = HttpGateway::new(config(&format!("http://127.0.0.1:{port}/"), LONG)).unwrap();
    assert_eq!(send(&sender).await, Err(DeliveryError::UNREACHED));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (gateway, elsewhere) = (SmsGateway::start(), SmsGateway::start());
    let sender = HttpGateway::new(config(&gateway.url(), LONG)).unwrap();
    gateway.next(GatewayAnswer::Redirect(elsewhere.url()));
    assert_eq!(send(&sender).await, refused(307));
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn nobody_is_believed_whom_no_authority_vouches_for() {
    let tls = MailServer::start(MailTls::Implicit);
    let url = format!("https://localhost:{}/", tls.port());
    let with = |ca_pem| {
        HttpGateway::new(GatewayConfig {
            ca_pem,
            ..config(&url, SHORT)
        })
        .unwrap()
    };
    for ca_pem in [None, Some(fs::read(tls.other_ca_file()).unwrap())] {
        assert_eq!(send(&with(ca_pem)).await, Err(DeliveryError::UNREACHED));
    }
    // With the right authority the request is sent; the server is no gateway, so the result is unknown.
    let known = with(Some(fs::read(tls.ca_file()).unwrap()));
    assert_eq!(send(&known).await, Err(DeliveryError::Unknown));
}

#[tokio::test]
async fn a_peer_in_clear_is_refused_when_tls_is_asked_for() {
    let gateway = SmsGateway::start();
    let url = format!("https://127.0.0.1:{}/", gateway.port());
    let sender = HttpGateway::new(config(&url, SHORT)).unwrap();
    assert_eq!(send(&sender).await, Err(DeliveryError::UNREACHED));
    assert!(gateway.requests().is_empty());
}

#[tokio::test]
async fn a_channel_without_a_provider_says_so() {
    let sender = ByChannel {
        email: None,
        sms: None,
    };
    assert_eq!(send(&sender).await, Err(DeliveryError::NoProvider));
}

#[test]
fn debug_shows_no_key_of_a_gateway() {
    let shown = format!(
        "{:?}",
        GatewayConfig {
            body: BodyTemplate::parse(r#"{"to": "{to}", "text": "{text}", "key": "canary"}"#)
                .unwrap(),
            token: Some("canary".into()),
            ..config("https://sms.example/canary?key=canary", LONG)
        }
    );
    assert!(shown.contains("https://sms.example/…"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}
