//! Which server to connect to: the one of the URL, the primary that sentinels name, or the node of a Cluster that has
//! our keys.
//!
//! All our keys have the same hash tag, so a single node of a Cluster has them all, and every topology needs only one
//! connection ([0051]). The other nodes say which node that is (`MOVED`).
//!
//! [0051]: ../../../docs/adr/0051-one-primary-in-every-topology-of-redis.md

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisError, RedisResult, ServerErrorKind, TlsCertificates, Value,
    aio::MultiplexedConnection, cmd, io::tcp::TcpSettings,
};
use futures_util::future::{join_all, select_ok};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;

use crate::{
    config::{InvalidRedisConfig, RedisConfig, RedisTopology, hash_tag},
    reason::{moved_to, no_answer},
};

/// The header that the driver looks for. It reads a file without any as an empty list of authorities.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// How many nodes of a Cluster are remembered, and how many of them are asked at the same time.
const MOST_REMEMBERED: usize = 64;
const MOST_ASKED: usize = 5;

/// A host and a port.
pub(crate) type Address = (String, u16);

/// A connection to the server that has our keys, with the client that can open another one.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) client: Arc<Client>,
}

/// The configured servers, and those that they named.
pub(crate) struct Servers {
    url: ConnectionInfo,
    authorities: Option<TlsCertificates>,
    place: Place,
    connect_timeout: Duration,
}

enum Place {
    Fixed,
    Sentinels {
        primary: String,
        sentinels: Vec<Client>,
    },
    Cluster {
        seeds: Vec<Address>,
        /// Other nodes that nodes reported.
        seen: Mutex<Vec<Address>>,
        /// One of our keys: the node that has it has them all.
        key: String,
    },
}

impl Servers {
    /// On a Cluster, `key` is the key whose node is connected to.
    pub(crate) fn new(config: &RedisConfig, key: String) -> Result<Self, InvalidRedisConfig> {
        let url = parsed(&config.url).ok_or(InvalidRedisConfig::Url)?;
        let has_certificate =
            |pem: &[u8]| pem.windows(CERTIFICATE.len()).any(|it| it == CERTIFICATE);
        if !config.authorities.iter().all(|pem| has_certificate(pem)) {
            return Err(InvalidRedisConfig::Authorities);
        }
        let authorities = config.authorities.clone().map(|pem| TlsCertificates {
            client_tls: None,
            root_cert: Some(pem),
        });
        let place = match &config.topology {
            RedisTopology::Standalone => Place::Fixed,
            RedisTopology::Sentinel { sentinels } => Place::Sentinels {
                primary: address_of(&url).ok_or(InvalidRedisConfig::Url)?.0,
                sentinels: clients(sentinels, authorities.as_ref())?,
            },
            RedisTopology::Cluster { nodes } => {
                if url.redis_settings().db() != 0 {
                    return Err(InvalidRedisConfig::Database);
                }
                if hash_tag(&config.key_prefix).is_none() {
                    return Err(InvalidRedisConfig::Prefix);
                }
                let first = address_of(&url).ok_or(InvalidRedisConfig::Url)?;
                let more = nodes.iter().map(|node| host_and_port(node));
                let seeds: Option<Vec<_>> = [Some(first)].into_iter().chain(more).collect();
                Place::Cluster {
                    seeds: seeds.ok_or(InvalidRedisConfig::Nodes)?,
                    seen: Mutex::default(),
                    key,
                }
            }
        };
        let servers = Self {
            url,
            authorities,
            place,
            connect_timeout: config.connect_timeout,
        };
        // Building a client parses the certificates as well.
        servers.client(None).map_err(|_| match config.authorities {
            Some(_) => InvalidRedisConfig::Authorities,
            None => InvalidRedisConfig::Url,
        })?;
        Ok(servers)
    }

    /// The same servers, for another key.
    pub(crate) fn of_key(&self, key: String) -> Self {
        let place = match &self.place {
            Place::Fixed => Place::Fixed,
            Place::Sentinels { primary, sentinels } => Place::Sentinels {
                primary: primary.clone(),
                sentinels: sentinels.clone(),
            },
            Place::Cluster { seeds, .. } => Place::Cluster {
                seeds: seeds.clone(),
                seen: Mutex::default(),
                key,
            },
        };
        Self {
            url: self.url.clone(),
            authorities: self.authorities.clone(),
            place,
            connect_timeout: self.connect_timeout,
        }
    }

    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self.place, Place::Cluster { .. })
    }

    pub(crate) const fn has_sentinels(&self) -> bool {
        matches!(self.place, Place::Sentinels { .. })
    }

    /// The time allowed for [`Self::open`]: finding the server, where necessary, and connecting to it. The `ROLE`
    /// question to a primary that sentinels named is not included.
    pub(crate) fn longest(&self) -> Duration {
        match self.place {
            Place::Fixed => self.connect_timeout,
            Place::Sentinels { .. } | Place::Cluster { .. } => self.connect_timeout * 2,
        }
    }

    /// Finds the server that has our keys and connects to it.
    pub(crate) async fn open(&self) -> RedisResult<Opened> {
        match &self.place {
            Place::Fixed => self.connect(self.client(None)?).await,
            Place::Sentinels { .. } => {
                let primary = self.named().await?;
                self.primary_at(&primary).await
            }
            Place::Cluster { seeds, seen, key } => {
                let asked = seeds.iter().cloned().chain(next_of(seen));
                let asked = asked.map(|node| Box::pin(self.owner_by(node, key)));
                let asked: Vec<_> = asked.collect();
                in_time(self.longest(), async { Ok(select_ok(asked).await?.0) }).await
            }
        }
    }

    /// Connects to a server that another server named.
    pub(crate) async fn open_at(&self, address: &Address) -> RedisResult<Opened> {
        self.connect(self.client(Some(address))?).await
    }

    /// Opens another connection to the same server.
    pub(crate) async fn connect(&self, client: impl Into<Arc<Client>>) -> RedisResult<Opened> {
        let client = client.into();
        let connection = connect(&client, self.connect_timeout).await?;
        Ok(Opened { connection, client })
    }

    /// The primary that most sentinels name. A sentinel that was cut off may still name an earlier primary.
    pub(crate) async fn named(&self) -> RedisResult<Address> {
        let mut votes: Vec<(Address, usize)> = Vec::new();
        let mut failure = None;
        for (_, named) in self.ask_sentinels().await {
            match named {
                Ok(address) => match votes.iter_mut().find(|(it, _)| *it == address) {
                    Some((_, count)) => *count += 1,
                    None => votes.push((address, 1)),
                },
                Err(error) => failure = Some(error),
            }
        }
        let most = votes.into_iter().max_by_key(|(_, count)| *count);
        most.map(|(address, _)| address)
            .ok_or_else(|| failure.unwrap_or_else(no_answer))
    }

    /// The answer of each sentinel; empty in other topologies.
    pub(crate) async fn ask_sentinels(&self) -> Vec<(Address, RedisResult<Address>)> {
        let Place::Sentinels { primary, sentinels } = &self.place else {
            return Vec::new();
        };
        let asked = sentinels.iter().map(|sentinel| async move {
            let question = ask_sentinel(sentinel, primary, self.connect_timeout);
            let who = address_of(sentinel.get_connection_info()).unwrap_or_default();
            (who, in_time(self.connect_timeout, question).await)
        });
        let asked: Vec<_> = asked.collect();
        join_all(asked).await
    }

    /// The configured nodes of a Cluster; empty in other topologies.
    pub(crate) fn seeds(&self) -> &[Address] {
        match &self.place {
            Place::Cluster { seeds, .. } => seeds,
            Place::Fixed | Place::Sentinels { .. } => &[],
        }
    }

    /// Remembers the other nodes of a Cluster, for when the configured ones cannot be reached. A node that refuses the
    /// question is no problem: `MOVED` contains what is needed.
    pub(crate) async fn look_around(&self, opened: Opened) {
        let Place::Cluster { seen, .. } = &self.place else {
            return;
        };
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        let answer = ask::<Value>(opened.connection, &question, self.connect_timeout).await;
        if let Ok(map) = answer {
            let mut found = nodes_in(&map);
            found.truncate(MOST_REMEMBERED);
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }

    async fn primary_at(&self, address: &Address) -> RedisResult<Opened> {
        let opened = self.open_at(address).await?;
        let question = cmd("ROLE");
        let role = ask::<Vec<Value>>(opened.connection.clone(), &question, self.connect_timeout);
        match role.await {
            Ok(role) if role.first().and_then(text_of).as_deref() != Some("master") => {
                Err(RedisError::from((
                    ErrorKind::Server(ServerErrorKind::ReadOnly),
                    "the sentinels name a replica",
                )))
            }
            // A user without the right to ask finds out by writing.
            Ok(_) => Ok(opened),
            Err(error) if error.code().is_some() => Ok(opened),
            Err(error) => Err(error),
        }
    }

    /// Connects to the node that has our keys: this node, or the one that it names.
    async fn owner_by(&self, node: Address, key: &str) -> RedisResult<Opened> {
        let opened = self.open_at(&node).await?;
        let mut question = cmd("EXISTS");
        question.arg(key);
        let answer = ask::<u64>(opened.connection.clone(), &question, self.connect_timeout).await;
        match answer {
            Ok(_) => Ok(opened),
            Err(error) => match moved_to(&error) {
                Some((host, port)) => {
                    let host = host.map_or(node.0, str::to_owned);
                    self.open_at(&(host, port)).await
                }
                // The node is migrating the slot away and still has it.
                None if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) => Ok(opened),
                None => Err(error),
            },
        }
    }

    fn client(&self, at: Option<&Address>) -> RedisResult<Client> {
        let info = match at {
            None => self.url.clone(),
            Some((host, port)) => {
                let (host, port) = (host.clone(), *port);
                let address = match self.url.addr() {
                    ConnectionAddr::TcpTls { insecure, .. } => ConnectionAddr::TcpTls {
                        host,
                        port,
                        insecure: *insecure,
                        tls_params: None,
                    },
                    _ => ConnectionAddr::Tcp(host, port),
                };
                self.url.clone().set_addr(address)
            }
        };
        client(info, self.authorities.as_ref())
    }
}

/// The address that a client connects to; `None` for a Unix socket.
pub(crate) fn address_of(info: &ConnectionInfo) -> Option<Address> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some((host.clone(), *port))
        }
        _ => None,
    }
}

fn parsed(url: &SecretString) -> Option<ConnectionInfo> {
    let info = url.expose_secret().into_connection_info().ok()?;
    // Without it, Nagle's algorithm may hold a small command back until the previous answer has arrived.
    Some(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn client(info: ConnectionInfo, authorities: Option<&TlsCertificates>) -> RedisResult<Client> {
    match (info.addr(), authorities) {
        (ConnectionAddr::TcpTls { .. }, Some(authorities)) => {
            Client::build_with_tls(info, authorities.clone())
        }
        _ => Client::open(info),
    }
}

fn clients(
    urls: &[SecretString],
    authorities: Option<&TlsCertificates>,
) -> Result<Vec<Client>, InvalidRedisConfig> {
    if urls.is_empty() {
        return Err(InvalidRedisConfig::Sentinels);
    }
    let clients = urls.iter().map(|url| {
        let info = parsed(url).ok_or(InvalidRedisConfig::Sentinels)?;
        client(info, authorities).map_err(|_| InvalidRedisConfig::Authorities)
    });
    clients.collect()
}

fn host_and_port(node: &str) -> Option<Address> {
    let (host, port) = node.trim().rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let is_host = !host.is_empty() && !host.contains(['/', '@']);
    is_host.then_some((host.to_owned(), port.parse().ok()?))
}

async fn connect(client: &Client, longest: Duration) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(longest))
        // Each call has its own time-out.
        .set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

async fn ask_sentinel(sentinel: &Client, primary: &str, longest: Duration) -> RedisResult<Address> {
    let mut connection = connect(sentinel, longest).await?;
    let named: Option<Address> = cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(primary)
        .query_async(&mut connection)
        .await?;
    named.ok_or_else(|| {
        RedisError::from((
            ErrorKind::MasterNameNotFoundBySentinel,
            "it knows no primary of this name",
        ))
    })
}

async fn ask<T: FromRedisValue>(
    mut connection: MultiplexedConnection,
    question: &Cmd,
    longest: Duration,
) -> RedisResult<T> {
    in_time(longest, question.query_async(&mut connection)).await
}

async fn in_time<T>(
    longest: Duration,
    what: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    timeout(longest, what)
        .await
        .unwrap_or_else(|_| Err(no_answer()))
}

/// Some of the remembered nodes, different ones at each call.
fn next_of(seen: &Mutex<Vec<Address>>) -> Vec<Address> {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let next: Vec<_> = seen.iter().take(MOST_ASKED).cloned().collect();
    if !seen.is_empty() {
        let by = next.len() % seen.len();
        seen.rotate_left(by);
    }
    next
}

/// The nodes in an answer to `CLUSTER SLOTS`. Each slot range lists its bounds, then its primary and its replicas.
fn nodes_in(map: &Value) -> Vec<Address> {
    let Value::Array(ranges) = map else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for range in ranges {
        let Value::Array(range) = range else { continue };
        for node in range.iter().skip(2) {
            let Value::Array(node) = node else { continue };
            let host = node.first().and_then(text_of);
            let host = host.filter(|it| !it.is_empty() && it != "?");
            if let (Some(host), Some(Value::Int(port))) = (host, node.get(1))
                && let Ok(port) = u16::try_from(*port)
                && !found.contains(&(host.clone(), port))
            {
                found.push((host, port));
            }
        }
    }
    found
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(text) => String::from_utf8(text.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_a_host_and_a_port() {
        assert_eq!(host_and_port("a:1"), Some(("a".to_owned(), 1)));
        assert_eq!(host_and_port(" [::1]:2"), Some(("::1".to_owned(), 2)));
        for wrong in ["", "a", ":1", "a:", "a:b", "a:70000", "redis://a:1"] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_nodes_of_a_map_are_read_once_each() {
        let node = |host: &str, port| {
            let host = Value::BulkString(host.as_bytes().to_vec());
            Value::Array(vec![host, Value::Int(port)])
        };
        let range = |nodes: Vec<Value>| {
            let bounds = [Value::Int(0), Value::Int(1)];
            Value::Array(bounds.into_iter().chain(nodes).collect())
        };
        let map = Value::Array(vec![
            range(vec![node("a", 1), node("b", 2), node("", 3), node("?", 4)]),
            range(vec![node("a", 1), node("c", 70_000)]),
        ]);
        let found = nodes_in(&map);
        assert_eq!(found, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(nodes_in(&Value::Nil), []);
    }
}
