//! Whom the release believes when it asks PostgreSQL and Redis over TLS (OWASP ASVS 5.0 V12.3): real servers, with a
//! certificate that is right, of another name, of another authority, of nobody but itself, and with none.
//!
//! Mail and text messages: `adapters-messaging/tests/providers`.

use std::path::Path;

use serde_json::Value;
use testkit::servers::{Certificates, PostgresServer, RedisServer};

use crate::process::{command, result};

/// Whether `doctor` reached the database, or Redis, in production mode, with `authority` in the place of the
/// authorities that the system trusts.
fn is_reached(check: &str, store: (&str, &str), authority: &Path) -> bool {
    is_reached_with(check, store, &[], authority)
}

/// The same with more settings.
fn is_reached_with(
    check: &str,
    store: (&str, &str),
    more: &[(&str, &str)],
    authority: &Path,
) -> bool {
    let nowhere = "postgres://auth:not-a-well-known-one@127.0.0.1:9/auth";
    let mut settings = vec![
        ("MODE", "production"),
        ("HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("KEYS__FILE", "/nowhere/keys.json"),
        ("MESSAGES__SENDER", "none"),
        store,
    ];
    if store.0 != "DATABASE__URL" {
        settings.push(("DATABASE__URL", nowhere));
    }
    settings.extend(more);
    let output = command(&settings)
        .env("SSL_CERT_FILE", authority)
        .args(["doctor", "--json"])
        .output()
        .expect("the binary runs");
    let said = result(&output);
    let findings: Vec<Value> = serde_json::from_str(&said).unwrap();
    let of_check: Vec<_> = findings.iter().filter(|it| it["check"] == check).collect();
    assert!(!of_check.is_empty(), "{check}: {findings:#?}");
    of_check.iter().all(|it| it["health"] != "fail")
}

#[tokio::test]
async fn a_postgres_is_asked_only_if_its_certificate_is_right() {
    let certificates = Certificates::new();
    let (known, other) = (certificates.authority(), certificates.other_authority());
    let server = PostgresServer::start().await;
    let url = |host: &str, mode: &str, authority: &Path| {
        let (port, authority) = (server.port(), authority.display());
        let trust = if mode == "disable" {
            String::new()
        } else {
            format!("&sslrootcert={authority}")
        };
        format!(
            "postgres://postgres:not-a-well-known-one@{host}:{port}/postgres?sslmode={mode}{trust}"
        )
    };
    let is_asked = |host: &str, mode: &str, authority: &Path| {
        // What the system trusts must not matter beside what the URL says.
        let url = url(host, mode, authority);
        is_reached("database", ("DATABASE__URL", &url), authority)
    };

    // It speaks no TLS: whoever asks for it is not served in clear in its place.
    for mode in ["require", "verify-ca", "verify-full"] {
        assert!(!is_asked("localhost", mode, &known), "{mode}");
    }
    assert!(
        is_asked("localhost", "disable", &known),
        "the server is there"
    );

    server.serve_tls(&certificates.right()).await;
    assert!(is_asked("localhost", "verify-full", &known));
    // Another name: the certificate is not of the address.
    assert!(!is_asked("127.0.0.1", "verify-full", &known));
    assert!(
        is_asked("127.0.0.1", "verify-ca", &known),
        "the name alone is wrong"
    );
    // Another authority.
    assert!(!is_asked("localhost", "verify-full", &other));
    assert!(!is_asked("localhost", "verify-ca", &other));

    server.serve_tls(&certificates.self_signed()).await;
    for mode in ["verify-ca", "verify-full"] {
        assert!(!is_asked("localhost", mode, &known), "{mode}");
    }
}

#[tokio::test]
async fn a_redis_is_asked_only_if_its_certificate_is_right() {
    let certificates = Certificates::new();
    let (known, other) = (certificates.authority(), certificates.other_authority());
    let is_asked = |scheme: &str, host: &str, port: u16, end: &str, authority: &Path| {
        let url = format!("{scheme}://:not-a-well-known-one@{host}:{port}/0{end}");
        is_reached("redis", ("REDIS__URL", &url), authority)
    };

    let server = RedisServer::start_with_tls(&certificates.right()).await;
    server.require_password("not-a-well-known-one");
    let port = server.port();
    assert!(is_asked("rediss", "localhost", port, "", &known));
    assert!(
        !is_asked("rediss", "127.0.0.1", port, "", &known),
        "another name"
    );
    assert!(
        !is_asked("rediss", "localhost", port, "", &other),
        "another authority"
    );
    assert!(
        !is_asked("redis", "localhost", port, "", &known),
        "in clear to where TLS is spoken"
    );
    // The driver's way to believe anybody is not built in.
    assert!(!is_asked("rediss", "127.0.0.1", port, "#insecure", &known));

    let server = RedisServer::start_with_tls(&certificates.self_signed()).await;
    server.require_password("not-a-well-known-one");
    assert!(
        !is_asked("rediss", "localhost", server.port(), "", &known),
        "by its own word"
    );

    let server = RedisServer::start().await;
    server.require_password("not-a-well-known-one");
    assert!(
        !is_asked("rediss", "localhost", server.port(), "", &known),
        "in clear where TLS is asked for"
    );
    assert!(
        is_asked("redis", "localhost", server.port(), "", &known),
        "the server is there"
    );
}

#[tokio::test]
async fn a_redis_may_have_authorities_of_its_own_and_those_alone() {
    let certificates = Certificates::new();
    let server = RedisServer::start_with_tls(&certificates.right()).await;
    server.require_password("not-a-well-known-one");
    let is_asked = |host: &str, ours: &Path, of_the_system: &Path| {
        let port = server.port();
        let url = format!("rediss://:not-a-well-known-one@{host}:{port}/0");
        let ours = ours.to_str().expect("a path of ours");
        let more = [("REDIS__CA_FILE", ours)];
        is_reached_with("redis", ("REDIS__URL", &url), &more, of_the_system)
    };
    let (known, other) = (certificates.authority(), certificates.other_authority());
    assert!(is_asked("localhost", &known, &other));
    assert!(!is_asked("localhost", &other, &known), "another authority");
    assert!(!is_asked("127.0.0.1", &known, &other), "another name");
    let none = certificates.right().key;
    assert!(!is_asked("localhost", &none, &known), "no certificate");
    let nowhere = Path::new("/nowhere/ca.pem");
    assert!(!is_asked("localhost", nowhere, &known), "no file");
}
