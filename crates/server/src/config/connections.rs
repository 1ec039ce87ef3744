//! `http.…`: connection limits and deadlines.

use std::time::Duration;

use super::{Config, kinds, reader::Reader};

/// Limits of client connections. The deadlines apply to the management listener too.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// `http.max_connections`: the most connections to the public listener. Default 10,000; fewer where the limit
    /// of open files requires it.
    pub most: usize,
    /// `http.max_connections_per_address`: the most of these from one address (a /64 for IPv6). Default 256, and
    /// never more than a quarter of all. Trusted proxies and exempt networks are not limited.
    pub most_per_address: usize,
    /// `http.head_deadline_seconds`: for the head of a request, from its first byte. Default 10.
    pub head_deadline: Duration,
    /// `http.body_deadline_seconds`: for its body, even after the request was answered. Default 15.
    pub body_deadline: Duration,
    /// `http.answer_deadline_seconds`: until its answer is sent completely; more than
    /// `http.request_deadline_seconds`. Default 300.
    pub answer_deadline: Duration,
    /// `http.keep_alive_seconds`: for the next request. Default 75: longer than gateways keep idle connections,
    /// since the client should be the side that closes a connection.
    pub keep_alive: Duration,
    /// `http.write_stall_seconds`: how long the client may stall before it has read at [`Self::least_write_rate`].
    /// Default 10.
    pub write_stall: Duration,
    /// `http.least_write_rate`: in bytes per second. Default 1,024.
    pub least_write_rate: u64,
}

impl ConnectionSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut seconds = |name, most, default| {
            let set = reader.setting(name, kinds::number(1..=most));
            Duration::from_secs(set.unwrap_or(default))
        };
        let head_deadline = seconds("http.head_deadline_seconds", 120, 10);
        let body_deadline = seconds("http.body_deadline_seconds", 300, 15);
        let answer_deadline = seconds("http.answer_deadline_seconds", 3_600, 300);
        let keep_alive = seconds("http.keep_alive_seconds", 3_600, 75);
        let write_stall = seconds("http.write_stall_seconds", 120, 10);
        Self {
            most: reader
                .setting("http.max_connections", kinds::number(16..=1_000_000))
                .unwrap_or(10_000),
            most_per_address: reader
                .setting(
                    "http.max_connections_per_address",
                    kinds::number(1..=1_000_000),
                )
                .unwrap_or(256),
            head_deadline,
            body_deadline,
            answer_deadline,
            keep_alive,
            write_stall,
            least_write_rate: reader
                .setting("http.least_write_rate", kinds::number(1..=10_485_760))
                .unwrap_or(1_024),
        }
    }
}

impl Config {
    /// An overdue request is answered with 503, and that answer needs the connection.
    pub(super) fn check_connections(&self, refuse: &mut impl FnMut(&'static str, &str)) {
        if self.http.connections.answer_deadline <= self.http.request_deadline {
            let reason = "must be more than http.request_deadline_seconds";
            refuse("http.answer_deadline_seconds", reason);
        }
    }
}
