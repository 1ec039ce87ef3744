//! Clients that take their time.

use std::time::Duration;

use testkit::{Engine, TestDatabase};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::interval,
};

use crate::{client::Client, process::Service, visitor::Visitor};

const CLIENTS: usize = 150;
const HEAD: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Never-Ends: ";
const BODY: &str = "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n\
                    Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{\"identifier\":\"";

/// Sends the beginning, and then a byte now and then until the service has enough of it. Gives what it said.
async fn drip(service: std::net::SocketAddr, beginning: &str) -> String {
    let mut connection = TcpStream::connect(service).await.unwrap();
    connection.write_all(beginning.as_bytes()).await.unwrap();
    let mut pace = interval(Duration::from_millis(200));
    let mut heard = Vec::new();
    loop {
        tokio::select! {
            _ = pace.tick() => {
                // It may have closed; reading says so.
                let _ = connection.write_all(b"a").await;
            }
            read = connection.read_buf(&mut heard) => {
                // Closed, with or without an answer.
                if matches!(read, Ok(0) | Err(_)) {
                    return String::from_utf8_lossy(&heard).into_owned();
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_whoever_never_finishes_a_request_is_cut_off_and_costs_nobody_else_anything() {
    let database = TestDatabase::start(Engine::Embedded).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE__URL", database.url()),
        ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8"),
        ("HTTP__REQUEST_DEADLINE_SECONDS", "2"),
    ];
    let service = Service::start(folder.path(), &settings);
    let client = Client::of(&service);
    let mut visitor = Visitor::register(&client, 0).await;
    let mut slow = JoinSet::new();
    for number in 0..CLIENTS {
        let beginning = if number % 2 == 0 { HEAD } else { BODY };
        let public = service.public;
        slow.spawn(async move { (beginning, drip(public, beginning).await) });
    }
    while let Some(cut_off) = slow.join_next().await {
        let (beginning, heard) = cut_off.unwrap();
        let status = if beginning == HEAD { "408" } else { "503" };
        assert!(heard.starts_with(&format!("HTTP/1.1 {status}")), "{heard}");
        assert_eq!(visitor.look().await, 200);
    }
}
