//! The strength of the credentials for the stores of a node. A store without a password, or with one that attackers
//! try first, is open to everybody (OWASP ASVS 5.0 V13.2.1, V13.2.3).

use std::{borrow::Cow, cmp::Reverse};

use authentication_domain::credentials::blocklist;
use identity_adapters_postgres::PostgresUrl;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::transport::{is_postgres_socket, parameter};

/// Passwords of examples, images and common guesses, without leading or trailing digits and symbols.
const WELL_KNOWN: [&str; 39] = [
    "abc",
    "admin",
    "administrator",
    "auth",
    "change-me",
    "change_me",
    "changeit",
    "changeme",
    "database",
    "db",
    "default",
    "demo",
    "dev",
    "development",
    "docker",
    "example",
    "fashionistar",
    "fashionistar-auth",
    "fashionistar_auth",
    "foobared",
    "guest",
    "letmein",
    "local",
    "mypassword",
    "mysecretpassword",
    "p@ssw0rd",
    "pass",
    "passw0rd",
    "password",
    "postgres",
    "postgresql",
    "prod",
    "production",
    "qwerty",
    "redis",
    "root",
    "secret",
    "test",
    "user",
];

/// Whether one of the servers in this PostgreSQL URL needs no strong credential. A Unix domain socket is limited to
/// users of this machine, and a client certificate is stronger than a password; neither needs a password.
pub(super) fn is_weak_for_postgres(url: &SecretString) -> bool {
    let Ok(url) = PostgresUrl::parse(url.expose_secret()) else {
        return true;
    };
    url.servers().iter().any(is_weak_for_server)
}

fn is_weak_for_server(url: &Url) -> bool {
    match parameter(url, "password") {
        Some(password) => {
            let user = parameter(url, "user").unwrap_or_default();
            let database = url.path().trim_start_matches('/').to_owned();
            is_weak(&password, &[&user, &database])
        }
        None => !is_postgres_socket(url) && !has_client_certificate(url),
    }
}

/// The same for Redis, which supports passwords only.
pub(super) fn is_weak_for_redis(url: &SecretString) -> bool {
    Url::parse(url.expose_secret()).map_or(true, |url| {
        password_in(&url).is_none_or(|password| is_weak(&password, &[&decoded(url.username())]))
    })
}

/// Whether the connection requires a client certificate: both certificate and key are set, and TLS is mandatory.
fn has_client_certificate(url: &Url) -> bool {
    let is_there = |name: &str| parameter(url, name).is_some_and(|path| !path.is_empty());
    let mode = parameter(url, "sslmode").unwrap_or_default();
    let is_tls = ["require", "verify-ca", "verify-full"].contains(&mode.as_str());
    is_tls && is_there("sslcert") && is_there("sslkey")
}

fn password_in(url: &Url) -> Option<String> {
    let password = url.password().filter(|it| !it.is_empty())?;
    Some(decoded(password))
}

/// Decodes percent-encoding, such as `%40`.
fn decoded(text: &str) -> String {
    // The query parser decodes it. It would read a plus as a space, so a plus is encoded (`%2B`) first.
    let query = format!("it={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, value)| value)
        .map(Cow::into_owned)
        .unwrap_or_default()
}

/// No person has to remember these passwords, so a short one has no excuse.
const LEAST_LENGTH: usize = 12;
/// The fewest characters that a password must have beyond well-known words.
const LEAST_OF_ITS_OWN: usize = 8;
/// A password of digits only has less entropy, so it must be longer.
const LEAST_DIGITS: usize = 20;

fn is_weak(password: &str, names: &[&str]) -> bool {
    password.chars().count() < LEAST_LENGTH
        || of_its_own(password, names) < LEAST_OF_ITS_OWN
        || blocklist::is_common(password)
}

/// The number of letters and digits that belong neither to a well-known word nor to a name, nor to the digits at
/// the end: `Shop-User1-password` has none for the user `shop_user`.
fn of_its_own(password: &str, names: &[&str]) -> usize {
    let bare = simplified(password);
    let mut words: Vec<_> = WELL_KNOWN
        .iter()
        .chain(names)
        .map(|it| simplified(it))
        .collect();
    words.retain(|word| word.len() > 2);
    // The longest words first: otherwise the rest of a word that contains a shorter one would count.
    words.sort_by_key(|word| Reverse(word.len()));
    let rest = words.iter().fold(bare, |rest, word| rest.replace(word, ""));
    let is_number = rest.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && rest.len() >= LEAST_DIGITS {
        return rest.len();
    }
    rest.trim_end_matches(|it: char| it.is_ascii_digit())
        .chars()
        .count()
}

/// Letters and digits only, in lower case.
fn simplified(text: &str) -> String {
    let kept = text.chars().filter(|it| it.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postgres_is_weak_without_a_password_or_with_one_that_everybody_tries() {
        for (url, expected) in [
            ("postgres://auth:s9Jd2kq0vLxw@db/auth", false),
            ("postgres://auth@db/auth?password=s9Jd2kq0vLxw", false),
            ("postgres://auth@db/auth", true),
            ("postgres://auth:@db/auth", true),
            ("postgres://db/auth", true),
            ("postgres://auth:auth@db/x", true),
            ("postgres://shop:Shop!2026@db/x", true),
            ("postgres://u:orders1@db/orders", true),
            ("postgres://u:postgres@db/auth", true),
            ("postgres://u:%70ostgres@db/auth", true),
            ("postgres://u:P%40ssw0rd@db/auth", true),
            ("postgres://u:Password123!@db/auth", true),
            ("postgres://u:12345678@db/auth", true),
            ("postgres://u:111111111111@db/auth", true),
            ("postgres://u:postgres-password@db/auth", true),
            ("postgres://u:CHANGE_ME_NOW_2026@db/auth", true),
            ("postgres://u:yourpassword@db/auth", true),
            ("postgres://u:test-s9Jd2kq0vLxw@db/auth", false),
            ("postgres://u:dragon@db/auth", true),
            ("postgres://u:s9Jd2kq0vLx@db/auth", true),
            ("postgres://shop_user:Shop-User-2026@db/auth", true),
            ("postgres://u:83026641957203318465@db/auth", false),
            ("postgres://u:s9Jd2kq0vLxw@db/auth?password=secret", true),
            // Connections without a password, and one that has a password after all.
            ("postgres:///auth?host=/run/postgresql", false),
            ("postgres://u@%2Frun%2Fpostgresql/auth", false),
            ("postgres://u:postgres@%2Frun%2Fpostgresql/auth", true),
            // Without a host, the driver looks for a socket, and falls back to TCP on this machine.
            ("postgres:///auth", true),
            ("postgres://u@localhost/auth", true),
            (
                "postgres://u@db/auth?sslmode=verify-full&sslcert=/c&sslkey=/k",
                false,
            ),
            (
                "postgres://u@db/auth?ssl-mode=require&ssl-cert=/c&ssl-key=/k",
                false,
            ),
            ("postgres://u@db/auth?sslmode=verify-full&sslcert=/c", true),
            (
                "postgres://u@db/auth?sslmode=prefer&sslcert=/c&sslkey=/k",
                true,
            ),
            ("postgres://u@db/auth?sslcert=/c&sslkey=/k", true),
            ("postgres://a:1,b:1/auth", true),
            ("postgres://u:s9Jd2kq0vLxw@a:1,b:2/auth", false),
            ("postgres://u:secret@a:1,b:2/auth", true),
            ("postgres://u@%2Frun%2Fpostgresql,b/auth", true),
        ] {
            assert_eq!(is_weak_for_postgres(&url.into()), expected, "{url}");
        }
    }

    #[test]
    fn a_redis_is_weak_without_a_password_or_with_one_that_everybody_tries() {
        for (url, expected) in [
            ("rediss://:s9Jd2kq0vLxw@redis", false),
            ("redis://auth:s9Jd2kq0vLxw@redis/1", false),
            ("redis://:s9Jd+kq0%2BLxw@redis", false),
            ("redis://redis", true),
            ("rediss://redis", true),
            ("redis://127.0.0.1:6379/0", true),
            ("redis://auth@redis", true),
            ("redis://:redis@redis", true),
            ("redis://:foobared@redis", true),
            ("redis://:a@redis", true),
            ("redis://:redis-password@redis", true),
            ("redis://auth:Auth1@redis", true),
            ("redis://:changeme@redis", true),
        ] {
            assert_eq!(is_weak_for_redis(&url.into()), expected, "{url}");
        }
    }
}
