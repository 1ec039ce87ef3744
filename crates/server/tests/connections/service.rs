//! The service, and raw connections to it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use server::{Application, Handle, Overrides, config::Config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// Long enough to be no deadline.
const NEVER: Duration = Duration::from_hours(1);
/// Soon.
pub(crate) const SOON: Duration = Duration::from_millis(200);

/// A node on an embedded database.
pub(crate) struct Service {
    pub(crate) public: SocketAddr,
    pub(crate) management: SocketAddr,
    handle: Handle,
    _folder: tempfile::TempDir,
}

impl Service {
    /// One without any deadline and bound but those that a test gives it.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::for_tests(folder.path());
        config.http.request_deadline = NEVER;
        let connections = &mut config.http.connections;
        connections.head_deadline = NEVER;
        connections.body_deadline = NEVER;
        connections.answer_deadline = NEVER;
        connections.keep_alive = NEVER;
        connections.write_stall = NEVER;
        change(&mut config);
        let application = Application::build(config, Overrides::default())
            .await
            .unwrap();
        Self {
            public: application.public_address(),
            management: application.management_address(),
            handle: application.spawn(),
            _folder: folder,
        }
    }

    /// What `/metrics` says of a series.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let answer = ask(self.management, "GET", "/metrics").await;
        let line = answer.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// Waits until the public listener has closed so many connections for this reason.
    pub(crate) async fn cut(&self, reason: &str, count: u64) {
        let series =
            format!("auth_connections_cut_total{{listener=\"public\",reason=\"{reason}\"}}");
        while self.metric(&series).await < count {}
    }

    /// How many requests for the API's document were answered; HEAD counts as GET.
    pub(crate) async fn documents(&self) -> u64 {
        let series = "http_server_request_duration_seconds_count{method=\"GET\",\
                      route=\"/openapi.json\",status=\"2xx\"}";
        self.metric(series).await
    }

    pub(crate) async fn end(self) {
        self.handle.shut_down().await;
    }
}

/// A connection.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn to(service: SocketAddr) -> Self {
        Self(TcpStream::connect(service).await.unwrap())
    }

    /// From another address of this machine.
    pub(crate) async fn bound_to(address: Ipv4Addr, service: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        Self(socket.connect(service).await.unwrap())
    }

    /// One that holds little of what it does not read.
    pub(crate) async fn narrow(service: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        Self(socket.connect(service).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything until the service closes, in whichever way.
    pub(crate) async fn rest(&mut self) -> String {
        let mut heard = Vec::new();
        while let Ok(1..) = self.0.read_buf(&mut heard).await {}
        String::from_utf8_lossy(&heard).into_owned()
    }
}

/// One request on a connection of its own.
pub(crate) async fn ask(service: SocketAddr, method: &str, path: &str) -> String {
    let mut raw = Raw::to(service).await;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    raw.send(head).await;
    raw.rest().await
}

/// The status of each answer.
pub(crate) fn statuses(heard: &str) -> Vec<&str> {
    let answers = heard.split("HTTP/1.1 ").skip(1);
    answers.map(|answer| answer.get(..3).unwrap()).collect()
}
