//! The ephemeral ports on Redis, shared by all nodes: session cache, counters, revocations.
//!
//! The relational database stays the source of truth. If Redis fails, a caller gets [`CacheError`] in bounded time,
//! usually at once, and works without it; a lost connection is re-established automatically. A port call is one round
//! trip (a script, or a single command), unless an unconfirmed invalidation has to be sent first.
//!
//! Requirements on Redis: version 6.2 or newer; a single server, one with sentinels, or a Cluster ([`RedisTopology`]);
//! and `maxmemory-policy noeviction`, since an evicted tombstone could let a revoked session back in. It needs no
//! persistence. On a Cluster the key prefix must hold a hash tag, such as `{fa}:`, because all keys of a script must be
//! on the same node.
//!
//! | key (after the prefix) | content | TTL |
//! |---|---|---|
//! | `v1:sessions:v3:<session>` | a snapshot with sealed values inside; `v3` is the version of its shape | 30 to 35 s |
//! | `v1:ended:<session>` | a tombstone | 2 min |
//! | `v1:changed:<account>` | the number of the account's last change | 2 min |
//! | `v1:clock` | the last number issued, and the lowest number that is still valid | a day after use |
//! | `v1:throttle:<part in ms>:<key>` | calls in each sixtieth of a window | the window and a sixtieth |
//! | `v1:probe` | a value that a readiness check writes | for one script |
//! | `v1:rights` | the key that `doctor` tries commands on | one second at most |
//! | `v1:revocations` | a channel, not a key | – |
//!
//! In addition there may be a stream of events for other systems, under a name that an operator chooses
//! ([`RedisEventStream`]).
//!
//! Keys consist of ids and digests. This crate knows no table, no route and no other adapter.
//!
//! [`CacheError`]: authentication_app::ports::CacheError

mod back_off;
mod config;
mod connection;
mod event_stream;
mod examination;
mod health;
mod keys;
mod line;
mod missed;
mod near;
mod reason;
mod revocations;
mod rights;
mod servers;
mod session_cache;
mod throttle;
mod ticking;

pub use config::{InvalidRedisConfig, RedisConfig, RedisTopology, hash_tag};
pub use connection::RedisConnection;
pub use event_stream::RedisEventStream;
pub use examination::{RedisExamination, ServerState};
pub use health::{RIGHTS, RedisTrouble};
pub use revocations::RedisRevocations;
pub use rights::MissingRights;
pub use session_cache::RedisSessionCache;
pub use throttle::RedisThrottle;
