//! Whoever brings messages to people.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
};

use super::{Used, assert_finding, examine, free_port};

/// Mail in clear is for this machine only, which the server of this test is on.
#[test]
fn whoever_brings_messages_is_asked_and_nothing_is_sent() {
    let used = Used::new();
    let data = used.data();
    assert_finding(&[("DATA_DIR", &data)], "messages", "ok", "/dev/mailbox", 0);
    let (port, sms) = (
        free_port().to_string(),
        format!("http://127.0.0.1:{}/canary", free_port()),
    );
    let providers = |port: &str| {
        [
            ("DATA_DIR", data.clone()),
            ("MESSAGES__SENDER", "providers".to_owned()),
            ("MESSAGES__EMAIL__PROVIDER", "smtp".to_owned()),
            ("MESSAGES__SMTP__HOST", "127.0.0.1".to_owned()),
            ("MESSAGES__SMTP__SECURITY", "none".to_owned()),
            ("MESSAGES__SMTP__PORT", port.to_owned()),
            ("MESSAGES__SMTP__FROM", "no-reply@example.com".to_owned()),
            ("MESSAGES__SMS__PROVIDER", "http".to_owned()),
            ("MESSAGES__SMS__URL", sms.clone()),
        ]
    };
    let assert = |port: &str, check: &str, health: &str, seen: &str| {
        let settings = providers(port);
        let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_finding(&settings, check, health, seen, 1);
    };
    assert(&port, "mail", "fail", "nothing listens on 127.0.0.1:");
    assert(
        &port,
        "text messages",
        "fail",
        "nothing listens on 127.0.0.1:",
    );
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let greeted = std::thread::spawn(move || greet(&server));
    assert(&port, "mail", "ok", "the server takes our mail");
    let said = greeted.join().unwrap();
    assert!(
        said.iter().any(|line| line.starts_with("EHLO ")),
        "{said:?}"
    );
    assert!(
        !said.iter().any(|line| line.starts_with("MAIL ")),
        "{said:?}"
    );
}

/// A mail server behind a firewall that drops what is sent there, say.
#[test]
fn a_mail_server_that_hangs_delays_its_own_line_only() {
    let used = Used::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let (data, sms) = (used.data(), format!("http://127.0.0.1:{}", free_port()));
    let settings = [
        ("DATA_DIR", data.as_str()),
        ("MESSAGES__SENDER", "providers"),
        ("MESSAGES__EMAIL__PROVIDER", "smtp"),
        ("MESSAGES__SMTP__HOST", "127.0.0.1"),
        ("MESSAGES__SMTP__SECURITY", "none"),
        ("MESSAGES__SMTP__PORT", &port),
        ("MESSAGES__SMTP__FROM", "no-reply@example.com"),
        ("MESSAGES__SMS__PROVIDER", "http"),
        ("MESSAGES__SMS__URL", &sms),
    ];
    let (output, findings) = examine(&settings);
    assert_eq!(output.status.code(), Some(1));
    let seen = |check: &str| {
        let found = findings.iter().find(|it| it["check"] == check);
        found.unwrap()["seen"].as_str().unwrap()
    };
    assert_eq!(seen("mail"), "no answer within 5 seconds");
    assert!(
        seen("text messages").starts_with("nothing listens"),
        "{findings:#?}"
    );
}

/// As much of a mail server as a greeting needs: what one client said. The first connection is a look
/// whether anything listens.
fn greet(server: &TcpListener) -> Vec<String> {
    let (_looked, _) = server.accept().unwrap();
    let (connection, _) = server.accept().unwrap();
    let mut answers = connection.try_clone().unwrap();
    let mut lines = BufReader::new(connection).lines();
    let mut said = Vec::new();
    answers.write_all(b"220 ready\r\n").unwrap();
    while let Some(Ok(line)) = lines.next() {
        let is_over = line == "QUIT";
        said.push(line);
        let answer: &[u8] = if is_over {
            b"221 bye\r\n"
        } else {
            b"250 ok\r\n"
        };
        if answers.write_all(answer).is_err() || is_over {
            break;
        }
    }
    said
}
