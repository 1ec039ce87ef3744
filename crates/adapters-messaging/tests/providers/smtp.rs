//! Mail.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use adapters_messaging::{ByChannel, SmtpConfig, SmtpSecurity, SmtpSender};
use authentication_app::ports::{Channel, DeliveryError, MessageSender as _};
use testkit::{
    LogCapture,
    servers::{MailServer, MailTls, SmsGateway},
};

use super::{LONG, SHORT, away, message, not_taken, refused};

fn config(port: u16, security: SmtpSecurity, ca_file: Option<PathBuf>) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port,
        security,
        credentials: None,
        ehlo_name: None,
        from: "no-reply@shop.example".to_owned(),
        sender_name: "Fashionistar".to_owned(),
        timeout: LONG,
        ca_pem: ca_file.map(|file| fs::read(file).unwrap()),
        connections: 1,
    }
}

fn plain(server: &MailServer, timeout: Duration) -> SmtpSender {
    SmtpSender::new(SmtpConfig {
        timeout,
        ..config(server.port(), SmtpSecurity::None, None)
    })
    .unwrap()
}

async fn send(sender: &SmtpSender) -> Result<(), DeliveryError> {
    sender.send(&message("ada@example.com")).await
}

#[tokio::test]
async fn a_mail_arrives_over_each_kind_of_tls_with_its_sign_in() {
    for (tls, security) in [
        (MailTls::StartTls, SmtpSecurity::StartTls),
        (MailTls::Implicit, SmtpSecurity::Tls),
    ] {
        let server = MailServer::start_for(tls, "shop", "s3cret");
        let with_password = |password: &str| {
            SmtpSender::new(SmtpConfig {
                credentials: Some(("shop".to_owned(), password.into())),
                ..config(server.port(), security, Some(server.ca_file()))
            })
            .unwrap()
        };
        let sender = with_password("s3cret");
        assert_eq!(sender.check().await, Ok(()));
        assert_eq!(send(&sender).await, Ok(()));
        let mail = server.wait_for_mails(1).remove(0);
        assert!(mail.encrypted);
        assert_eq!(mail.user.as_deref(), Some("shop"));
        assert_eq!(
            (mail.from.as_str(), &mail.to[..]),
            ("no-reply@shop.example", &["ada@example.com".to_owned()][..])
        );
        let id = "<00000000-0000-0000-0000-000000000007@shop.example>";
        assert_eq!(mail.header("Message-ID"), Some(id));
        assert_eq!(mail.code(), "490317");

        // A wrong password is the operator's fault: the mail may be sent once it is corrected.
        let wrong = with_password("wrong");
        assert_eq!(send(&wrong).await, away(535));
        assert_eq!(wrong.check().await, away(535));
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn nobody_is_believed_whom_no_authority_vouches_for() {
    for (tls, security) in [
        (MailTls::StartTls, SmtpSecurity::StartTls),
        (MailTls::Implicit, SmtpSecurity::Tls),
    ] {
        let server = MailServer::start(tls);
        for ca_file in [Some(server.other_ca_file()), None] {
            let sender = SmtpSender::new(config(server.port(), security, ca_file)).unwrap();
            assert_eq!(send(&sender).await, Err(DeliveryError::UNREACHED));
        }
        let other_name = SmtpSender::new(SmtpConfig {
            host: "127.0.0.1".to_owned(),
            ..config(server.port(), security, Some(server.ca_file()))
        })
        .unwrap();
        assert_eq!(send(&other_name).await, Err(DeliveryError::UNREACHED));
        assert!(server.mails().is_empty());
    }
}

/// A server without TLS, or an attacker who strips STARTTLS.
#[tokio::test]
async fn a_peer_in_clear_is_refused_when_tls_is_asked_for() {
    let server = MailServer::start(MailTls::None);
    let starttls = SmtpSender::new(config(server.port(), SmtpSecurity::StartTls, None)).unwrap();
    assert_eq!(send(&starttls).await, Err(DeliveryError::UNREACHED));
    let tls = SmtpSender::new(SmtpConfig {
        timeout: SHORT,
        ..config(server.port(), SmtpSecurity::Tls, None)
    })
    .unwrap();
    assert_eq!(send(&tls).await, Err(DeliveryError::UNREACHED));
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn what_the_server_answers_says_whether_to_try_again() {
    let mut server = MailServer::start(MailTls::None);
    let sender = plain(&server, LONG);
    for (order, expected) in [
        // Replies to the service or to its name: no other mail would be accepted either.
        ("connect 421", away(421)),
        ("connect 554", away(554)),
        ("mail 421", away(421)),
        ("mail 450", away(450)),
        ("mail 530", away(530)),
        // Replies to this mail.
        ("rcpt 550", refused(550)),
        ("rcpt 450", not_taken(450)),
        ("rcpt 451", not_taken(451)),
        ("rcpt 421", not_taken(421)),
        ("data 554", refused(554)),
        ("data 452", not_taken(452)),
        ("data 421", not_taken(421)),
    ] {
        server.order(order);
        assert_eq!(send(&sender).await, expected, "{order}");
    }
    // Greylisting: the same mail is accepted a little later.
    assert_eq!(send(&sender).await, Ok(()));
    assert_eq!(server.wait_for_mails(1).len(), 1);
}

#[tokio::test]
async fn without_an_answer_to_the_mail_itself_nothing_is_known() {
    let mut server = MailServer::start(MailTls::None);
    server.order("drop");
    assert_eq!(
        send(&plain(&server, LONG)).await,
        Err(DeliveryError::Unknown)
    );
    server.order("hang");
    assert_eq!(
        send(&plain(&server, SHORT)).await,
        Err(DeliveryError::Unknown)
    );
    // The server has received both.
    assert_eq!(server.wait_for_mails(2).len(), 2);
}

#[tokio::test]
async fn what_ended_before_the_mail_was_sent_certainly_did_not_go_out() {
    let mut server = MailServer::start(MailTls::None);
    let not_taken = Err(DeliveryError::NotTaken {
        status: None,
        retry_after: None,
    });
    server.order("drop-early");
    assert_eq!(send(&plain(&server, LONG)).await, not_taken);
    server.order("hang-early");
    assert_eq!(send(&plain(&server, SHORT)).await, not_taken);
    server.release();
    assert!(server.mails().is_empty());
    // No server listens on this port.
    let port = server.port();
    drop(server);
    let sender = SmtpSender::new(config(port, SmtpSecurity::None, None)).unwrap();
    assert_eq!(send(&sender).await, Err(DeliveryError::UNREACHED));
}

/// Accepts connections and never sends anything.
#[tokio::test]
async fn a_silent_server_is_given_up() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    for security in [
        SmtpSecurity::None,
        SmtpSecurity::StartTls,
        SmtpSecurity::Tls,
    ] {
        let sender = SmtpSender::new(SmtpConfig {
            timeout: SHORT,
            ..config(silent.local_addr().unwrap().port(), security, None)
        })
        .unwrap();
        assert_eq!(send(&sender).await, Err(DeliveryError::UNREACHED));
    }
}

/// The peer may not be a mail server at all.
#[tokio::test]
async fn nonsense_from_a_server_is_no_success() {
    let gateway = SmsGateway::start();
    let sender = SmtpSender::new(SmtpConfig {
        timeout: SHORT,
        ..config(gateway.port(), SmtpSecurity::None, None)
    })
    .unwrap();
    assert_eq!(send(&sender).await, Err(DeliveryError::UNREACHED));
}

#[tokio::test]
async fn one_connection_serves_many_and_is_made_anew_when_it_was_lost() {
    let mut server = MailServer::start(MailTls::None);
    let sender = plain(&server, LONG);
    for _ in 0..3 {
        assert_eq!(send(&sender).await, Ok(()));
    }
    server.order("drop");
    assert_eq!(send(&sender).await, Err(DeliveryError::Unknown));
    assert_eq!(send(&sender).await, Ok(()));
    // The idle connection ends between two mails, which does not affect the next one.
    server.order("drop-early");
    assert_eq!(send(&sender).await, Ok(()));
    assert_eq!(server.wait_for_mails(6).len(), 6);
}

#[tokio::test]
async fn nothing_of_a_mail_and_no_password_is_logged() {
    let server = MailServer::start_for(MailTls::StartTls, "shop", "s3cret");
    let sender = SmtpSender::new(SmtpConfig {
        credentials: Some(("shop".to_owned(), "s3cret".into())),
        ..config(
            server.port(),
            SmtpSecurity::StartTls,
            Some(server.ca_file()),
        )
    })
    .unwrap();
    let (logs, guard) = LogCapture::on_this_thread();
    assert_eq!(send(&sender).await, Ok(()));
    tracing::info!("something is captured");
    drop(guard);
    let text = logs.text();
    assert!(text.contains("something is captured"));
    // `c2hvcA==` and the like: user and password are sent in base64.
    for secret in [
        "490317",
        "ada@",
        "s3cret",
        "c2hvc",
        "czNjcmV0",
        "AHNob3AAczNjcmV0",
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

/// Postfix with `reject_non_fqdn_helo_hostname` refuses a bare name.
#[tokio::test]
async fn we_introduce_ourselves_by_a_full_name_or_an_address() {
    let server = MailServer::start(MailTls::None);
    let names = [
        (Some("auth.shop.example"), "auth.shop.example"),
        (Some("192.0.2.7"), "[192.0.2.7]"),
        (Some("[2001:db8::1]"), "[IPv6:2001:db8::1]"),
        (Some("localhost"), "[127.0.0.1]"),
        (None, "[127.0.0.1]"),
    ];
    for (count, (name, said)) in (1..).zip(names) {
        let sender = SmtpSender::new(SmtpConfig {
            ehlo_name: name.map(ToOwned::to_owned),
            ..config(server.port(), SmtpSecurity::None, None)
        });
        assert_eq!(send(&sender.unwrap()).await, Ok(()));
        let mails = server.wait_for_mails(count);
        assert_eq!(mails.last().unwrap().hello, said);
    }
}

/// More messages at a time would spend their time limit waiting for a connection.
#[test]
fn as_many_mails_are_on_their_way_as_there_are_connections() {
    let sender = SmtpSender::new(SmtpConfig {
        connections: 3,
        ..config(25, SmtpSecurity::None, None)
    });
    let by_channel = ByChannel {
        email: Some(Arc::new(sender.unwrap())),
        sms: None,
    };
    assert_eq!(by_channel.at_once(Channel::Email), 3);
    assert!(by_channel.at_once(Channel::Sms) > 0);
}
