//! The use cases of the identity service, one file each, and the ports through which they reach the outside.
//!
//! A use case loads what it needs, decides with the domain, and commits one unit of work: state, audit entries,
//! events and messages together. Nothing here depends on SQL, Redis, HTTP or a concrete cipher.

pub mod accounts;
mod back_off;
mod by_hand;
pub mod caching;
pub mod challenges;
mod context;
pub mod credentials;
mod cursors;
pub mod events;
pub mod federation;
mod foundation;
mod idempotency;
pub mod imports;
pub mod keys;
pub mod maintenance;
mod measured;
pub mod mfa;
pub mod notifications;
pub mod passkeys;
pub mod ports;
pub mod protection;
mod recorder;
mod retry;
pub mod sessions;
mod single_use;
pub mod timekeeping;

pub use context::{Awaited, Origin, RequestContext};
pub use cursors::{CursorBytes, Cursors, List};
pub use foundation::{Foundation, Rules};
pub use idempotency::{IdempotentRequest, RepeatError, Repeatable};

use foundation::corrupt;
