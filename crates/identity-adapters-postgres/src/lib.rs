//! The relational store: PostgreSQL, and SQLite as the embedded dialect of the same queries.
//!
//! [`Store`] is the [`authentication_app::ports::IdentityStore`]. Reads and single conditional writes use a pool; a
//! unit of work takes one connection for as long as it is open. Each port has a file, and each query one SQL text. The
//! comment above the text names its binds (`$1` …) and, after "By", the index that it relies on. Both engines run the
//! same text wherever possible.
//!
//! What must happen only once is decided in the statement that does it, never by a read before it: rotating a session,
//! using up a code, counting a failure. Nothing in this crate generates an id, reads a clock or opens a sealed value,
//! and no personal data go into a span or an error. It must never know a route or another adapter.

mod account_record;
mod account_rows;
mod accounts;
mod attempts;
mod audit;
mod challenges;
mod config;
mod copies;
mod devices;
mod dialect;
mod error;
mod examination;
mod factor_resets;
mod federation;
mod gatherings;
mod idempotency;
mod imports;
mod maintenance;
mod notice_links;
mod outbox;
mod passkeys;
mod pool;
mod queries;
mod rekeying;
mod restores;
mod revocations;
mod second_factors;
mod service_clock;
mod sessions;
mod sql;
mod store;
mod unit_of_work;
mod url;
mod value;

pub use config::StoreConfig;
pub use copies::{CopyFacts, Embedded, NeededKey, Server, ServerCopy, ServerTarget, Settled};
pub use examination::{Examination, SchemaRights};
pub use pool::{Condition, PoolUse, Pooler};
pub use queries::ROTATE;
pub use store::Store;
pub use url::{PostgresUrl, TargetSession, UrlMistake};
