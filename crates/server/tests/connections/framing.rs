//! Requests that two parsers could read differently (T56): one answer, 400, and the connection ends.

use tokio::io::AsyncWriteExt as _;

use crate::service::{Raw, Service, statuses};

/// What an attacker hopes to be taken for a request of its own.
const HIDDEN: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LOGIN: &str = "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n\
                     Content-Type: application/json\r\n";

/// Heads that are refused, each with what it is known as.
fn heads() -> Vec<(&'static str, String)> {
    let with = |fields: &str| format!("{LOGIN}{fields}\r\n");
    vec![
        (
            "CL.TE",
            with("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        ),
        (
            "TE.CL",
            with("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + "0\r\n\r\n",
        ),
        (
            "TE.TE twice",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n") + "0\r\n\r\n",
        ),
        (
            "TE.TE list",
            with("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n",
        ),
        (
            "TE.TE other",
            with("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n",
        ),
        (
            "TE.TE tab",
            with("Transfer-Encoding: \u{b}chunked\r\n") + "0\r\n\r\n",
        ),
        (
            "TE.TE space",
            with("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n",
        ),
        (
            "TE.TE quoted",
            with("Transfer-Encoding: \"chunked\"\r\n") + "0\r\n\r\n",
        ),
        (
            "TE.TE folded",
            with("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n",
        ),
        (
            "TE in 1.0",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "CL twice",
            with("Content-Length: 2\r\nContent-Length: 2\r\n") + "{}",
        ),
        (
            "CL twice, differing",
            with("Content-Length: 0\r\nContent-Length: 44\r\n"),
        ),
        ("CL list", with("Content-Length: 2, 2\r\n") + "{}"),
        ("CL plus", with("Content-Length: +2\r\n") + "{}"),
        ("CL space", with("Content-Length: 2 2\r\n") + "{}"),
        ("CL minus", with("Content-Length: -2\r\n") + "{}"),
        ("CL hex", with("Content-Length: 0x2\r\n") + "{}"),
        ("CL empty", with("Content-Length:\r\n") + "{}"),
        (
            "CL huge",
            with("Content-Length: 99999999999999999999\r\n") + "{}",
        ),
        (
            "bare LF everywhere",
            "GET /health/live HTTP/1.1\nHost: localhost\n\n".to_owned(),
        ),
        (
            "bare LF in a field",
            with("Content-Length: 2\nX: a\r\n") + "{}",
        ),
        ("bare LF at the end", format!("{LOGIN}\n")),
        (
            "bare LF before",
            "\nGET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        ),
        ("bare CR", with("X: a\rContent-Length: 2\r\n")),
        ("obs-fold", with("X: a\r\n b\r\n")),
        ("white space first", with(" X: a\r\n")),
        ("NUL in a value", with("X: a\0b\r\n")),
        ("NUL in a name", with("X\0: a\r\n")),
        ("space before a colon", with("X : a\r\n")),
        ("no colon", with("X\r\n")),
        ("no name", with(": a\r\n")),
        ("HTTP/0.9", "GET /health/live\r\n".to_owned()),
        (
            "HTTP/0.9 said",
            "GET /health/live HTTP/0.9\r\n\r\n".to_owned(),
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (
            "two spaces",
            "GET  /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        ),
        (
            "space in the target",
            "GET /health /live HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        ),
        ("no host", "GET /health/live HTTP/1.1\r\n\r\n".to_owned()),
        (
            "two hosts",
            "GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        ),
        (
            "tunnel",
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_owned(),
        ),
        (
            "upgrade",
            with("Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n") + "{}",
        ),
    ]
}

/// Bodies that are refused.
const BODIES: [(&str, &str); 9] = [
    ("chunk extension", "2;a=b\r\n{}\r\n0\r\n\r\n"),
    ("space behind a size", "2 \r\n{}\r\n0\r\n\r\n"),
    ("bare LF behind a size", "2\n{}\r\n0\r\n\r\n"),
    ("bare LF behind data", "2\r\n{}\n0\r\n\r\n"),
    ("bare LF at the end", "2\r\n{}\r\n0\r\n\n"),
    ("no size", "\r\n{}\r\n0\r\n\r\n"),
    ("sign of a size", "+2\r\n{}\r\n0\r\n\r\n"),
    ("huge size", "1000000000000002\r\n{}\r\n0\r\n\r\n"),
    ("more data than said", "1\r\n{}\r\n0\r\n\r\n"),
];

#[tokio::test]
async fn t56_a_head_that_can_be_read_in_two_ways_is_400_and_ends_the_connection() {
    let service = Service::start(|_| {}).await;
    for listener in [service.public, service.management] {
        for (shape, head) in heads() {
            let mut raw = Raw::to(listener).await;
            raw.send(head.clone() + HIDDEN).await;
            assert_eq!(statuses(&raw.rest().await), ["400"], "{shape}");
            // Behind a request that is as it should be.
            let mut raw = Raw::to(listener).await;
            raw.send(HIDDEN.to_owned() + &head + HIDDEN).await;
            assert_eq!(statuses(&raw.rest().await), ["200", "400"], "{shape}");
            // A byte a segment: where they are cut decides nothing.
            let mut raw = Raw::to(listener).await;
            raw.0.set_nodelay(true).unwrap();
            for byte in head.as_bytes() {
                // It may be closed at the first byte that says it all.
                let _ = raw.0.write_all(&[*byte]).await;
            }
            let _ = raw.0.try_write(HIDDEN.as_bytes());
            assert_eq!(statuses(&raw.rest().await), ["400"], "{shape}");
        }
    }
    service.end().await;
}

#[tokio::test]
async fn t56_a_body_that_can_be_read_in_two_ways_is_400_and_ends_the_connection() {
    let service = Service::start(|_| {}).await;
    for (shape, body) in BODIES {
        let head = format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\n");
        let mut raw = Raw::to(service.public).await;
        raw.send(head.clone() + body + HIDDEN).await;
        assert_eq!(statuses(&raw.rest().await), ["400"], "{shape}");
        // Where nobody waits for the body, the answer may be given before it is read; it stays the only one.
        let mut raw = Raw::to(service.public).await;
        raw.send(head.replace("/api/v1/auth/login", "/nothing") + body + HIDDEN)
            .await;
        assert_eq!(statuses(&raw.rest().await), ["404"], "{shape}");
    }
    service.end().await;
}

#[tokio::test]
async fn t56_trailers_are_refused() {
    let service = Service::start(|_| {}).await;
    let mut raw = Raw::to(service.public).await;
    let trailer = "2\r\n{}\r\n0\r\nContent-Length: 0\r\n\r\n";
    raw.send(format!(
        "{LOGIN}Transfer-Encoding: chunked\r\n\r\n{trailer}{HIDDEN}"
    ))
    .await;
    assert_eq!(statuses(&raw.rest().await), ["400"]);
    service.end().await;
}

#[tokio::test]
async fn t56_a_head_that_is_too_large_is_431_and_ends_the_connection() {
    let service = Service::start(|_| {}).await;
    let long = format!("X: {}\r\n", "a".repeat(33_000));
    let many = "X: a\r\n".repeat(100);
    for fields in [long, many] {
        let mut raw = Raw::to(service.public).await;
        raw.send(format!("{LOGIN}{fields}\r\n{HIDDEN}")).await;
        assert_eq!(statuses(&raw.rest().await), ["431"]);
    }
    service.end().await;
}

#[tokio::test]
async fn t56_what_has_one_reading_is_served_request_by_request() {
    let service = Service::start(|_| {}).await;
    let mut raw = Raw::to(service.public).await;
    let chunked = format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    let length = format!("{LOGIN}Content-Length: 2\r\n\r\n{{}}");
    let h2c = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n\
               Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    // The line break behind a body is one that old clients leave. The parser keeps no connection on which another
    // protocol was offered.
    raw.send(format!("{chunked}{length}\r\n{HIDDEN}{chunked}{h2c}"))
        .await;
    let heard = raw.rest().await;
    assert_eq!(statuses(&heard), ["400", "400", "200", "400", "200"]);
    // The first two were understood, and refused for what was in them.
    assert_eq!(heard.matches("\"errors\"").count(), 3, "{heard}");
    service.end().await;
}
