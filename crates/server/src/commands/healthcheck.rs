//! `healthcheck`: for container engines, whose images have no `curl`.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use super::Failure;
use crate::config::{Config, Variables};

/// The route answers within a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the management listener of the same configuration whether requests should come here.
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
    // "HTTP/1.1 200" is all that is looked at.
    let mut head = [0; 12];
    connection.read_exact(&mut head)?;
    let status = std::str::from_utf8(&head).ok();
    let status = status.and_then(|head| head.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| Failure::other("the answer is no HTTP"))
}

/// Every address is listened on, and one of them is this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}
