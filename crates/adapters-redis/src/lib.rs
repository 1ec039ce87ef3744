//! The ephemeral ports on Redis, shared by all nodes: session cache, counters, revocations.
//!
//! The relational store stays the truth. Whatever happens to Redis, a caller here gets [`CacheError`] in
//! bounded time, mostly at once, and does without; a connection that was lost comes back by itself. Every
//! port call is one round trip: a script, or a single command.
//!
//! What Redis must be like: version 6.2 or newer, one server, one with sentinels, or a Cluster
//! ([`RedisTopology`]), and `maxmemory-policy noeviction`, since an evicted tombstone could let a revoked session
//! back in. It needs no persistence. On a Cluster the key prefix must hold a hash tag, `{fa}:` say: the keys of one
//! script have to live together.
//!
//! | key (after the prefix) | holds | lives |
//! |---|---|---|
//! | `v1:sessions:v3:<session>` | a snapshot, sealed values inside; the third version is its shape's | 30 to 35 s |
//! | `v1:ended:<session>` | a tombstone | 2 min |
//! | `v1:changed:<account>` | the number of the account's last change | 2 min |
//! | `v1:clock` | the last number given, the number from which on numbers count | a day after use |
//! | `v1:throttle:<part in ms>:<key>` | calls of each sixtieth of a window | the window and a sixtieth |
//! | `v1:probe` | what a readiness check writes | for one script |
//! | `v1:rights` | what `doctor` tries commands on | a second at the most |
//! | `v1:revocations` | a channel, not a key | – |
//!
//! Besides, and under the name that an operator gives it, a stream of events for other systems
//! ([`RedisEventStream`]).
//!
//! Keys are made of ids and digests. Nothing here knows a table, a route or another adapter.
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
