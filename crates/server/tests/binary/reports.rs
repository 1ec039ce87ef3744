//! What Sentry gets to see of an error: which request it was, and nothing of who made it.

use std::{
    io::{BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{collector::read_request, process::Service};

/// Takes envelopes.
fn sentry() -> (SocketAddr, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, envelopes) = channel();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let mut answers = connection.try_clone().unwrap();
            let mut reader = BufReader::new(connection);
            while let Some((head, body)) = read_request(&mut reader) {
                let envelope = String::from_utf8(body).expect("an envelope is text");
                let _ = sender.send((head, envelope));
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                answers.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (address, envelopes)
}

fn register(address: SocketAddr) -> String {
    let body = json!({"email": "canary.person@example.com", "password": "canary Horse battery 42"})
        .to_string();
    let request = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nHost: canary.example.com\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nUser-Agent: canary-agent\r\n\
         X-Request-Id: request-of-the-test\r\nX-Device-Token: canary\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn an_error_of_ours_is_reported_with_nothing_personal() {
    let (sentry, envelopes) = sentry();
    let database = testkit::TestDatabase::sqlite().await;
    database.execute("DROP TABLE challenges").await;
    let folder = tempfile::tempdir().unwrap();
    let dsn = format!("http://public@{sentry}/42");
    let settings = [
        ("DATABASE__URL", database.url()),
        ("TELEMETRY__SENTRY_DSN", dsn.as_str()),
        ("TELEMETRY__SENTRY_ENVIRONMENT", "staging"),
    ];
    let service = Service::start(folder.path(), &settings);
    let answer = register(service.public);
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    service.signal(Signal::TERM);
    let (status, ..) = service.ended();
    assert_eq!(status.code(), Some(0));

    let envelopes: Vec<(String, String)> = envelopes.try_iter().collect();
    let everything = format!("{envelopes:?}");
    assert!(!everything.contains("canary"), "{everything}");
    assert!(
        !everything.contains("127.0.0.1"),
        "nobody's address: {everything}"
    );
    let (head, envelope) = envelopes
        .iter()
        .find(|(_, it)| it.contains("request-of-the-test"))
        .expect("a report");
    assert!(head.starts_with("POST /api/42/envelope/"), "{head}");
    let report: Value = serde_json::from_str(envelope.lines().nth(2).unwrap()).unwrap();
    // Where nothing else is said, it is an error.
    assert!(
        report.get("level").is_none_or(|level| *level == "error"),
        "{report}"
    );
    assert_eq!(report["environment"], "staging");
    assert_eq!(report["tags"]["request_id"], "request-of-the-test");
    assert_eq!(report["tags"]["code"], "internal_error");
    assert_eq!(report["tags"]["http.route"], "/api/v1/auth/register");
    for part in ["user", "request", "breadcrumbs", "server_name"] {
        assert!(
            report
                .get(part)
                .is_none_or(|it| it.is_null() || *it == json!({"values": []})),
            "{part}: {report}"
        );
    }
    assert!(
        !everything.contains("\"type\":\"session\""),
        "no sessions are tracked: {everything}"
    );
}
