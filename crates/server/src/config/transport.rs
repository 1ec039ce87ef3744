//! Whether connections to other systems are protected against interception.

use std::net::IpAddr;

use identity_adapters_postgres::PostgresUrl;
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// Whether this name or address is the machine itself, where no network is involved.
pub(super) fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

pub(super) fn leads_to_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_this_machine(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether nothing in between can read the connection or impersonate the PostgreSQL server. A URL without TLS
/// parameters uses TLS if it is offered, without verification, and falls back to plain text, as libpq does.
pub(super) fn is_private_to_postgres(url: &SecretString) -> bool {
    let Ok(url) = PostgresUrl::parse(url.expose_secret()) else {
        return false;
    };
    url.servers().iter().all(|server| {
        let is_verified = parameter(server, "sslmode").is_some_and(|mode| mode == "verify-full");
        let is_near = is_postgres_socket(server)
            // Without a host, the driver uses the default socket folder, or this machine.
            || parameter(server, "host").is_none_or(|host| is_this_machine(&host));
        is_verified || is_near
    })
}

/// A parameter of one server's URL, in which all parts are query parameters.
pub(super) fn parameter(url: &Url, name: &str) -> Option<String> {
    let given = url.query_pairs().find(|(given, _)| given == name);
    given.map(|(_, value)| value.into_owned())
}

/// Whether one server's URL names a socket folder.
pub(super) fn is_postgres_socket(url: &Url) -> bool {
    parameter(url, "host").is_some_and(|host| host.starts_with('/'))
}

/// The same for Redis.
pub(super) fn is_private_to_redis(url: &SecretString) -> bool {
    Url::parse(url.expose_secret()).is_ok_and(|url| {
        let is_verified = url.scheme() == "rediss" && url.fragment() != Some("insecure");
        is_verified || leads_to_this_machine(&url)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postgres_is_private_when_it_is_verified_or_near() {
        for (url, expected) in [
            ("postgres://u:p@db.example/auth?sslmode=verify-full", true),
            ("postgres://u:p@db.example/auth?ssl-mode=VERIFY-FULL", true),
            ("postgres://u:p@127.0.0.1:5433/auth", true),
            ("postgres://u:p@[::1]/auth", true),
            ("postgres://u:p@localhost/auth", true),
            ("postgres:///auth", true),
            ("postgres:///auth?host=/run/postgresql", true),
            ("postgres://u@%2Frun%2Fpostgresql/auth", true),
            ("postgres://u:p@db.example/auth", false),
            ("postgres://u:p@db.example/auth?sslmode=require", false),
            ("postgres://u:p@db.example/auth?sslmode=verify-ca", false),
            ("postgres://u:p@localhost/auth?host=db.example", false),
            ("postgres://u:p@10.0.0.1/auth", false),
            ("postgres://a:1,b:1/auth", false),
            ("postgres://localhost,b/auth", false),
            ("postgres://localhost,127.0.0.1:2/auth", true),
            ("postgres://a,b/auth?sslmode=verify-full", true),
            ("postgres://a,b/auth?sslmode=verify-full&sslcrl=/c", false),
        ] {
            assert_eq!(is_private_to_postgres(&url.into()), expected, "{url}");
        }
    }

    #[test]
    fn a_redis_is_private_when_it_is_verified_or_near() {
        for (url, expected) in [
            ("rediss://:p@redis.example", true),
            ("redis://127.0.0.1:6380/1", true),
            ("redis://[::1]", true),
            ("rediss://redis.example/#insecure", false),
            ("redis://:p@redis.example", false),
        ] {
            assert_eq!(is_private_to_redis(&url.into()), expected, "{url}");
        }
    }
}
