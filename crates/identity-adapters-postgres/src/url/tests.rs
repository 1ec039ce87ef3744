//! What is read from a URL, and what is refused.

use super::*;

fn servers(url: &str) -> Vec<String> {
    let read = PostgresUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let servers = read.servers().iter();
    servers.map(|url| url.as_str().to_owned()).collect()
}

#[test]
fn each_server_gets_a_url_of_its_own() {
    for (url, expected) in [
        (
            "postgres://u:p@h/d",
            "postgres:///d?user=u&password=p&host=h",
        ),
        ("postgresql://h:1/d", "postgres:///d?host=h&port=1"),
        (
            "postgres://u:a%40b+c@[::1]:2/d",
            "postgres:///d?user=u&password=a%40b%2Bc&host=%3A%3A1&port=2",
        ),
        (
            "postgres://u@%2Frun%2Fpg/d",
            "postgres:///d?user=u&host=%2Frun%2Fpg",
        ),
        (
            "postgres:///d?host=/run/pg&user=u",
            "postgres:///d?user=u&host=%2Frun%2Fpg",
        ),
        (
            "postgres://u:p@h/d?password=q&sslmode=require",
            "postgres:///d?password=q&sslmode=require&user=u&host=h",
        ),
        (
            "postgres:///d?hostaddr=10.0.0.1&port=5",
            "postgres:///d?host=10.0.0.1&port=5",
        ),
        ("postgres://h:5/d?host=i", "postgres:///d?host=i&port=5"),
        (
            "postgres://h/d?ssl-ca=/a&options=-c%20a%3Db",
            "postgres:///d?sslrootcert=%2Fa&options=-c+a%3Db&host=h",
        ),
    ] {
        assert_eq!(servers(url), [expected], "{url}");
    }
    let three =
        "postgres://u@a:1,[::2],c:3/d?target_session_attrs=read-write&channel_binding=disable";
    assert_eq!(
        servers(three),
        [
            "postgres:///d?user=u&host=a&port=1",
            "postgres:///d?user=u&host=%3A%3A2",
            "postgres:///d?user=u&host=c&port=3"
        ]
    );
    assert_eq!(
        PostgresUrl::parse(three).unwrap().target(),
        TargetSession::ReadWrite
    );
    let two = "postgres:///d?host=a,/run/b&port=7,8";
    assert_eq!(
        PostgresUrl::parse(two).unwrap().addresses(),
        [("a".to_owned(), 7)]
    );
    assert_eq!(
        servers("postgres://a,b/d?port=9")[1],
        "postgres:///d?host=b&port=9"
    );
}

#[test]
fn what_cannot_be_honoured_is_refused_and_not_quoted() {
    for (url, expected) in [
        (
            "postgres://u:canary@h/d?channel_binding=require",
            "channel_binding",
        ),
        (
            "postgres://u:canary@h/d?channel_binding=prefer",
            "verify-full",
        ),
        (
            "postgres://u:canary@h/d?target_session_attrs=canary",
            "prefer-standby",
        ),
        ("postgres://u:canary@h/d?sslmode=allow", "sslmode"),
        ("postgres://u:canary@h/d?sslmode=canary", "verify-ca"),
        (
            "postgres://u:canary@h/d?sslrootcert=system",
            "the path of a file",
        ),
        ("postgres://u:canary@h/d?sslcrl=/canary", "sslcrl"),
        (
            "postgres://u:canary@h/d?connect_timeout=3",
            "database.acquire_timeout_seconds",
        ),
        (
            "postgres://u:canary@h/d?pgbouncer=true",
            "recognised without it",
        ),
        (
            "postgres://u:canary@h/d?load_balance_hosts=random",
            "load_balance_hosts",
        ),
        (
            "postgres://u:canary@h/d?canary=1",
            "target_session_attrs, user",
        ),
        (
            "postgres://u:p&canary=@h/d?SSLMODE=require",
            "no parameter but these",
        ),
        ("postgres://h/d?hostaddr=1.2.3.4", "beside a host"),
        ("postgres:///d?host=h&hostaddr=1.2.3.4", "beside host"),
        ("postgres:///d?hostaddr=canary", "an IP address"),
        ("postgres:///d?host=a,b,c&port=1,2", "one port for all"),
        ("postgres:///d?port=canary", "one port for all"),
        ("postgres://a:1,b:canary/d", "postgres://user:password"),
        ("postgres://a,,b/d", "postgres://user:password"),
        ("postgres://u:can/ary@h/d", "postgres://user:password"),
        ("postgres://u:can#ary@h/d", "%23"),
        ("postgres://canary:canary@:x/", "postgres://user:password"),
        ("mysql://h/d", "postgres://user:password"),
    ] {
        let told = PostgresUrl::parse(url).unwrap_err().to_string();
        assert!(told.contains(expected), "{url}: {told}");
        assert!(
            told.starts_with("must ") && !told.contains("canary"),
            "{told}"
        );
    }
}

#[test]
fn a_parameter_that_is_said_twice_is_refused_whatever_its_spelling() {
    for (parameters, expected) in [
        ("sslmode=verify-full&sslmode=disable", "sslmode"),
        ("sslmode=verify-full&ssl-mode=verify-full", "sslmode"),
        ("sslrootcert=/a&ssl-ca=/canary", "sslrootcert"),
        ("ssl-root-cert=/a&ssl-ca=/a", "sslrootcert"),
        ("sslcert=/a&ssl-cert=/b", "sslcert"),
        ("ssl-key=/a&sslkey=/b", "sslkey"),
        ("host=a&host=canary", "host"),
        ("port=1&port=2", "port"),
        ("user=a&user=canary", "user"),
        ("password=a&password=canary", "password"),
        (
            "target_session_attrs=any&target_session_attrs=read-write",
            "target_session_attrs",
        ),
        (
            "channel_binding=disable&channel_binding=disable",
            "channel_binding",
        ),
    ] {
        let url = format!("postgres:///d?{parameters}");
        let told = PostgresUrl::parse(&url).unwrap_err();
        assert_eq!(told, UrlMistake::Repeated(expected), "{url}");
        let told = told.to_string();
        assert!(
            told.starts_with("must ") && !told.contains("canary"),
            "{told}"
        );
    }
    PostgresUrl::parse("postgres://u@h/d?sslmode=require&ssl-ca=/a&ssl-cert=/b&ssl-key=/c")
        .unwrap();
}

#[test]
fn servers_are_chosen_as_libpq_chooses_them() {
    use TargetSession::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby, Unsaid};
    // A primary; a replica; a primary with read-only sessions.
    let kinds = [(false, false), (true, true), (true, false)];
    for (target, expected) in [
        (Any, [Some(0), Some(0), Some(0)]),
        (Unsaid, [Some(0), Some(1), Some(1)]),
        (ReadWrite, [Some(0), None, None]),
        (ReadOnly, [None, Some(0), Some(0)]),
        (Primary, [Some(0), None, Some(0)]),
        (Standby, [None, Some(0), None]),
        (PreferStandby, [Some(1), Some(0), Some(1)]),
    ] {
        let ranks = kinds.map(|(is_read_only, is_replica)| target.rank(is_read_only, is_replica));
        assert_eq!(ranks, expected, "{target:?}");
    }
}
