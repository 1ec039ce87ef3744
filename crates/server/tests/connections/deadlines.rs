//! Every phase of a connection comes to an end.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::interval,
};

use crate::service::{Raw, SOON, Service, statuses};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn chunked(method: &str, path: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
}

/// Sends the beginning, then these bytes again and again, until the connection ends. Gives what was heard.
async fn drip(mut raw: Raw, beginning: &str, bytes: &[u8], pause: Duration) -> String {
    raw.send(beginning).await;
    let mut pace = interval(pause);
    let mut heard = Vec::new();
    loop {
        tokio::select! {
            _ = pace.tick() => {
                // It may be closed; reading says so.
                let _ = raw.0.write_all(bytes).await;
            }
            read = raw.0.read_buf(&mut heard) => {
                if !matches!(read, Ok(1..)) {
                    return String::from_utf8_lossy(&heard).into_owned();
                }
            }
        }
    }
}

async fn impatient_with_bodies() -> Service {
    Service::start(|config| {
        config.http.request_deadline = SOON / 2;
        config.http.connections.body_deadline = SOON;
    })
    .await
}

#[tokio::test]
async fn a_body_that_stops_ends_its_connection_whatever_was_answered() {
    let service = impatient_with_bodies().await;
    for (listener, method, path, status) in [
        (service.public, "POST", "/nothing", "404"),
        (service.public, "POST", "/api/v1/auth/login", "503"),
        (service.public, "GET", "/health/live", "200"),
        (service.management, "POST", "/nothing", "404"),
        (service.management, "GET", "/health/live", "200"),
    ] {
        for part in ["", "5", "5\r\nab", "5\r\nabcde\r\n"] {
            let mut raw = Raw::to(listener).await;
            raw.send(chunked(method, path) + part).await;
            let heard = raw.rest().await;
            assert_eq!(statuses(&heard), [status], "{method} {path} {part:?}");
        }
        let mut raw = Raw::to(listener).await;
        let length = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 10\r\n\r\nab"
        );
        raw.send(length).await;
        assert_eq!(statuses(&raw.rest().await), [status], "{method} {path}");
    }
    service.end().await;
}

#[tokio::test]
async fn a_body_without_an_end_ends_its_connection() {
    let service = impatient_with_bodies().await;
    for pause in [20, 1] {
        for listener in [service.public, service.management] {
            let raw = Raw::to(listener).await;
            let pause = Duration::from_millis(pause);
            let heard = drip(raw, &chunked("POST", "/nothing"), b"1\r\na\r\n", pause).await;
            assert_eq!(statuses(&heard), ["404"]);
        }
    }
    service.cut("body", 2).await;
    service.end().await;
}

#[tokio::test]
async fn a_head_without_an_end_is_408_and_its_connection_ends() {
    let service = Service::start(|config| config.http.connections.head_deadline = SOON).await;
    for listener in [service.public, service.management] {
        // Silent, and a byte now and then.
        for dripping in [&b""[..], b"a"] {
            for (before, answers) in [("", &["408"][..]), (LIVE, &["200", "408"][..])] {
                let beginning = format!("{before}GET /health/live HTTP/1.1\r\nX-Long: ");
                let raw = Raw::to(listener).await;
                let heard = drip(raw, &beginning, dripping, Duration::from_millis(20)).await;
                assert_eq!(statuses(&heard), answers);
            }
        }
        // Who says nothing is answered nothing.
        let mut raw = Raw::to(listener).await;
        assert_eq!(raw.rest().await, "");
    }
    service.cut("head", 4).await;
    service.end().await;
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let service = Service::start(|config| config.http.connections.keep_alive = SOON).await;
    for listener in [service.public, service.management] {
        let mut raw = Raw::to(listener).await;
        raw.send(LIVE).await;
        assert_eq!(statuses(&raw.rest().await), ["200"]);
    }
    service.cut("idle", 1).await;
    service.end().await;
}

/// More than two sockets hold.
const DOCUMENTS: usize = 10;

async fn asks_for_documents(service: &Service) -> Raw {
    let mut raw = Raw::narrow(service.public).await;
    raw.send("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(DOCUMENTS))
        .await;
    raw
}

#[tokio::test]
async fn who_reads_nothing_of_an_answer_is_cut_off() {
    let service = Service::start(|config| config.http.connections.write_stall = SOON).await;
    let mut raw = asks_for_documents(&service).await;
    service.cut("write", 1).await;
    assert!(statuses(&raw.rest().await).len() < DOCUMENTS);
    service.end().await;
}

#[tokio::test]
async fn who_closes_their_side_and_reads_nothing_is_cut_off_at_the_deadline_of_the_answer() {
    let service = Service::start(|config| config.http.connections.answer_deadline = SOON).await;
    // Whole, and with a body that never comes whole.
    let beginnings = ["\r\n", "Content-Length: 10\r\n\r\nab"];
    for (count, rest) in (1..).zip(beginnings) {
        let mut raw = Raw::narrow(service.public).await;
        raw.send(format!(
            "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n{rest}"
        ))
        .await;
        raw.0.shutdown().await.unwrap();
        service.cut("answer", count).await;
        assert!(!is_whole(&raw.rest().await), "{rest:?}");
    }
    service.end().await;
}

#[tokio::test]
async fn who_reads_a_byte_now_and_then_is_cut_off() {
    let service = Service::start(|config| {
        config.http.connections.write_stall = SOON;
        config.http.connections.least_write_rate = 1_048_576;
    })
    .await;
    let mut raw = asks_for_documents(&service).await;
    let mut heard = Vec::new();
    {
        let mut pace = interval(Duration::from_millis(5));
        let cut = service.cut("write", 1);
        tokio::pin!(cut);
        loop {
            let mut some = [0; 512];
            tokio::select! {
                () = &mut cut => break,
                _ = pace.tick() => {
                    if let Ok(read) = raw.0.read(&mut some).await {
                        heard.extend_from_slice(&some[..read]);
                    }
                }
            }
        }
    }
    let heard = String::from_utf8_lossy(&heard).into_owned() + &raw.rest().await;
    assert!(statuses(&heard).len() < DOCUMENTS);
    service.end().await;
}

#[tokio::test]
async fn who_reads_as_fast_as_it_can_gets_all_of_many_answers() {
    let service = Service::start(|_| {}).await;
    let request = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut raw = Raw::to(service.public).await;
    raw.send(request.repeat(30) + last).await;
    let heard = raw.rest().await;
    assert_eq!(statuses(&heard), ["200"; 31]);
    assert!(heard.split("HTTP/1.1 ").skip(1).all(is_whole));
    service.end().await;
}

/// Whether a document came to its end.
fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.map(|it| it.parse::<usize>().unwrap()) == Some(body.len())
}
