//! `healthcheck`: for container engines, because the image has no `curl`.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use super::Failure;
use crate::config::{Config, Variables};

/// Well above the response time of the route, which is at most one second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Queries the readiness of the service through the management listener of the same configuration.
pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = Config::for_commands(file, &Variables::of_this_process())?;
    let status = ask(reachable(config.management.listen))?;
    if status == 200 {
        Ok(())
    } else {
        Err(Failure::other(format!("not ready: status {status}")))
    }
}

fn ask(address: SocketAddr) -> Result<u16, Failure> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)
        .map_err(|_| Failure::other(format!("nothing answers at {address} (management.listen)")))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection
        .write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    // Only "HTTP/1.1 200" is compared.
    let mut head = [0; 12];
    connection.read_exact(&mut head)?;
    let status = std::str::from_utf8(&head).ok();
    let status = status.and_then(|head| head.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| Failure::other("the answer is no HTTP"))
}

/// The loopback address if the listener is bound to all addresses.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}
