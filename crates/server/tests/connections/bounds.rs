//! How many connections, and how much is kept for each.

use std::net::Ipv4Addr;

use tokio::io::AsyncWriteExt as _;

use crate::service::{Raw, SOON, Service, ask, statuses};

const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const KEPT: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn asks(mut raw: Raw) -> String {
    // What was refused may be closed already.
    let _ = raw.0.write_all(LIVE.as_bytes()).await;
    raw.rest().await
}

async fn open(service: &Service) -> u64 {
    let series = "auth_connections_open{listener=\"public\"}";
    service.metric(series).await
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_its_neighbour_has_its_own() {
    let service = Service::start(|config| {
        config.protection.exempt_networks.clear();
        config.http.connections.most = 64;
        config.http.connections.most_per_address = 4;
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(Raw::to(service.public).await);
    }
    while open(&service).await < 4 {}
    assert_eq!(asks(Raw::to(service.public).await).await, "");
    let series = "auth_connections_refused_total{listener=\"public\",reason=\"address\"}";
    assert_eq!(service.metric(series).await, 1);
    let neighbour = Raw::bound_to(NEIGHBOUR, service.public).await;
    assert_eq!(statuses(&asks(neighbour).await), ["200"]);
    held.pop();
    while open(&service).await > 3 {}
    assert_eq!(
        statuses(&ask(service.public, "GET", "/health/live").await),
        ["200"]
    );
    service.end().await;
}

#[tokio::test]
async fn an_exempt_network_and_a_proxy_have_as_many_as_there_are() {
    let loopback = "127.0.0.0/8".parse().unwrap();
    for is_proxy in [true, false] {
        let service = Service::start(|config| {
            config.http.connections.most = 64;
            config.http.connections.most_per_address = 1;
            config.protection.exempt_networks.clear();
            if is_proxy {
                config.http.trusted_proxies = vec![loopback];
            } else {
                config.protection.exempt_networks = vec![loopback];
            }
        })
        .await;
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(Raw::to(service.public).await);
        }
        while open(&service).await < 8 {}
        assert_eq!(
            statuses(&ask(service.public, "GET", "/health/live").await),
            ["200"]
        );
        service.end().await;
    }
}

#[tokio::test]
async fn who_holds_every_connection_and_asks_for_nothing_keeps_nobody_out() {
    let service = Service::start(|config| {
        config.protection.exempt_networks.clear();
        config.http.connections.most = 16;
        config.http.connections.most_per_address = 4;
    })
    .await;
    // Silent from the beginning, in the middle of a head, and behind an answer.
    let mut held = Vec::new();
    for (host, beginning) in [(2, ""), (3, "GET /h"), (4, KEPT), (5, KEPT)] {
        for _ in 0..4 {
            let address = Ipv4Addr::new(127, 0, 0, host);
            let mut raw = Raw::bound_to(address, service.public).await;
            raw.send(beginning).await;
            if beginning == KEPT {
                raw.0.readable().await.unwrap();
            }
            held.push(raw);
        }
    }
    assert_eq!(open(&service).await, 16);
    for _ in 0..4 {
        assert_eq!(
            statuses(&ask(service.public, "GET", "/health/live").await),
            ["200"]
        );
        while open(&service).await > 15 {}
    }
    let series = "auth_connections_refused_total{listener=\"public\",reason=\"full\"}";
    assert_eq!(service.metric(series).await, 0);
    // One made room for all who came and went, and it had been silent the longest.
    service.cut("evicted", 1).await;
    assert_eq!(open(&service).await, 15);
    for mut raw in held.split_off(8) {
        raw.send(LIVE).await;
        assert_eq!(statuses(&raw.rest().await), ["200", "200"]);
    }
    service.end().await;
}

#[tokio::test]
async fn the_management_listener_answers_while_the_public_one_is_full() {
    let service = Service::start(|config| {
        config.http.connections.most = 16;
        config.http.connections.head_deadline = SOON * 5;
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(Raw::to(service.public).await);
    }
    let series = "auth_connections_refused_total{listener=\"public\",reason=\"full\"}";
    while service.metric(series).await < 24 {}
    assert!(open(&service).await <= 16);
    assert_eq!(
        statuses(&ask(service.management, "GET", "/health/live").await),
        ["200"]
    );
    // The silent ones have a deadline, and then there is room.
    for mut raw in silent {
        assert_eq!(raw.rest().await, "");
    }
    assert_eq!(
        statuses(&ask(service.public, "GET", "/health/live").await),
        ["200"]
    );
    service.end().await;
}

#[tokio::test]
async fn of_many_requests_without_a_reader_one_is_answered_at_a_time() {
    let service = Service::start(|config| config.http.connections.write_stall = SOON).await;
    let mut raw = Raw::narrow(service.public).await;
    raw.send("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(30))
        .await;
    service.cut("write", 1).await;
    // What the sockets hold and one more; the parser alone takes sixteen and one.
    let answered = service.documents().await;
    assert!(answered <= 3, "{answered}");
    service.end().await;
}

#[tokio::test]
async fn answers_without_a_body_are_bounded_too() {
    let service = Service::start(|config| config.http.connections.write_stall = SOON).await;
    let raw = Raw::narrow(service.public).await;
    let (_reader, mut writer) = raw.0.into_split();
    let writing = tokio::spawn(async move {
        let some = "HEAD /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
        let mut sent = 0_u64;
        // Until the service reads no further, and then closes.
        while writer.write_all(some.as_bytes()).await.is_ok() {
            sent += 100;
        }
        sent
    });
    service.cut("write", 1).await;
    let sent = writing.await.unwrap();
    // What fits into the buffers of two sockets, at some 500 bytes each, and not what was asked for.
    let answered = service.documents().await;
    assert!((1..4_000).contains(&answered), "{answered} of {sent}");
    service.end().await;
}
