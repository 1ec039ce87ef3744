//! How the service ends.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use rustix::process::Signal;

use crate::process::Service;

const BODY: &str =
    r#"{"identifier":"nobody@example.com","password":"correct horse battery staple"}"#;

/// A request that the service has begun to serve (RFC 9110 §10.1.1 says so), and whose body is still on its way.
fn begin_request(address: SocketAddr) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        BODY.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    connection.read_exact(&mut go_on).unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "), "{go_on:?}");
    connection.write_all(&BODY.as_bytes()[..10]).unwrap();
    connection
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_request_under_way_is_answered_and_readiness_says_so_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path(), &[]);
    let health = get(service.management, "/health/ready");
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    // An idle connection is no request under way.
    let idle = TcpStream::connect(service.public).unwrap();
    let mut request = begin_request(service.public);

    service.signal(Signal::TERM);
    service.wait_for("draining");
    let mut health = get(service.management, "/health/ready");
    while !health.contains("draining") {
        health = get(service.management, "/health/ready");
    }
    assert!(health.starts_with("HTTP/1.1 503"), "{health}");

    request.write_all(&BODY.as_bytes()[10..]).unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_credentials"),
        "{answer}"
    );
    let (public, management) = (service.public, service.management);
    let (status, lines, stdout) = service.ended();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert_eq!(stdout, "");
    assert_eq!(lines.last().unwrap()["message"], "ended");
    assert!(
        !lines.iter().any(|line| line["level"] == "ERROR"),
        "{lines:#?}"
    );
    drop(idle);
    for address in [public, management] {
        assert!(TcpStream::connect(address).is_err());
    }
}

/// The head of another answer on the same connection.
fn ask_again(connection: &mut TcpStream) -> String {
    connection
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"status":"alive"}"#) {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap().to_lowercase()
}

/// A balancer hears of it with its next question, and sends people here until then.
#[test]
fn whoever_comes_before_the_balancer_knows_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("HTTP__DRAIN_DELAY_SECONDS", "4")];
    let mut service = Service::start(folder.path(), &settings);
    let mut kept = TcpStream::connect(service.public).unwrap();
    assert!(!ask_again(&mut kept).contains("connection: close"));
    service.signal(Signal::TERM);
    service.wait_for("draining");
    // Whoever keeps a connection is answered on it, and told to open another one, which leads elsewhere.
    while !ask_again(&mut kept).contains("connection: close") {}
    assert_eq!(kept.read(&mut [0]).unwrap(), 0, "it is closed");
    for address in [service.management, service.public] {
        let mut health = get(address, "/health/ready");
        while !health.contains("draining") {
            health = get(address, "/health/ready");
        }
        assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    }
    let live = get(service.public, "/health/live");
    assert!(live.starts_with("HTTP/1.1 200"), "{live}");
    assert_eq!(service.ended().0.code(), Some(0));
}
