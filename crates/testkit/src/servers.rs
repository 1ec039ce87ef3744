//! The shared throw-away servers, and separate servers for tests that stop them or make them misbehave.

mod browser;
mod certificates;
mod gateway;
mod mail;
mod openid;
mod openid_provider;
mod pgbouncer;
mod postgres;
mod proxy;
mod redis;
mod redis_cluster;
mod redis_sentinel;

use std::{
    env,
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
    process,
};

pub use browser::BrowserDriver;
pub use certificates::{Certificate, Certificates};
pub use gateway::{GatewayAnswer, ReceivedRequest, SmsGateway};
pub use mail::{MailServer, MailTls, ReceivedMail};
pub use openid::{OpenIdDouble, OpenIdMood, maced, unsigned};
pub use openid_provider::OpenIdProviderServer;
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::PostgresServer;
pub use proxy::Proxy;
pub use redis::RedisServer;
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::RedisSentinel;

/// The PostgreSQL server on which tests may create databases.
///
/// # Panics
/// When `TEST_POSTGRES_URL` is not set.
pub fn postgres_url() -> String {
    told_by_the_script("TEST_POSTGRES_URL")
}

/// The Redis that all tests share: each writes only keys that begin with [`unique_name`].
///
/// # Panics
/// When `TEST_REDIS_URL` is not set.
pub fn redis_url() -> String {
    told_by_the_script("TEST_REDIS_URL")
}

/// A node of the Redis Cluster that all tests share, like the Redis of [`redis_url`]. Each test uses only keys that
/// begin with [`unique_name`] in braces.
///
/// # Panics
/// When `TEST_REDIS_CLUSTER_URL` is not set.
pub fn redis_cluster_url() -> String {
    told_by_the_script("TEST_REDIS_CLUSTER_URL")
}

/// A sentinel that knows the Redis of [`redis_url`] as the primary `tests`.
///
/// # Panics
/// When `TEST_REDIS_SENTINEL_URL` is not set.
pub fn redis_sentinel_url() -> String {
    told_by_the_script("TEST_REDIS_SENTINEL_URL")
}

/// The Python interpreter with the packages of `deploy/requirements-test.txt`: a mail server, Django.
///
/// # Panics
/// When `TEST_PYTHON` is not set.
pub fn python() -> String {
    told_by_the_script("TEST_PYTHON")
}

/// The browser: Chromium or Chrome.
///
/// # Panics
/// When `TEST_BROWSER` is not set.
pub fn browser() -> String {
    told_by_the_script("TEST_BROWSER")
}

/// `oathtool`, an independent implementation of an authenticator app.
///
/// # Panics
/// When `TEST_OATHTOOL` is not set.
pub fn oathtool() -> String {
    told_by_the_script("TEST_OATHTOOL")
}

/// The folder with the npm packages of `deploy/test-node`: an OpenID provider.
///
/// # Panics
/// When `TEST_NODE_MODULES` is not set.
pub fn node_modules() -> String {
    told_by_the_script("TEST_NODE_MODULES")
}

/// A name that no other test has, in this or another process, for databases and key prefixes. Lower-case letters,
/// digits and underscores, at most 32.
pub fn unique_name() -> String {
    // The keys of `RandomState` are random for each process and differ from call to call.
    let random = RandomState::new().hash_one(process::id());
    format!("test_{random:016x}")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told where their servers are by the script that starts them"
)]
fn told_by_the_script(variable: &str) -> String {
    // The script sets the variable to an empty string if it found nothing.
    let told = env::var(variable).ok().filter(|told| !told.is_empty());
    told.unwrap_or_else(|| {
        panic!(
            "{variable} is not set: run ./deploy/test.sh, or set this shell up with \
             eval \"$(deploy/servers.sh up)\""
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_for_a_database() {
        let names: HashSet<_> = (0..1000).map(|_| unique_name()).collect();
        assert_eq!(names.len(), 1000);
        let fit = |name: &String| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        assert!(names.iter().all(|name| name.len() <= 32 && fit(name)));
    }

    #[test]
    #[should_panic(expected = "deploy/servers.sh up")]
    fn a_missing_server_says_how_to_start_it() {
        told_by_the_script("TEST_NO_SUCH_SERVER_URL");
    }
}
