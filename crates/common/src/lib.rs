//! The shared kernel: the few types that every bounded context of the monolith needs.
//!
//! It exists so that catalogue, orders and payments use the same types for people, money, pages and
//! permissions as the identity service. It performs no I/O, reads no clock and draws no random number. It
//! must never contain passwords, tokens or database rows: [`access::Principal`] holds opaque ids and nothing
//! else about the person.

pub mod access;
pub mod clock;
pub mod constant_time;
pub mod id;
pub mod money;
pub mod page;
pub mod random;
pub mod request_id;
pub mod retry_after;
pub mod soft_delete;
pub mod timestamps;

pub use clock::Clock;
pub use id::Id;
pub use random::SecureRandom;
pub use request_id::RequestId;
