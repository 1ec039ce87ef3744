//! The model of identity and authentication: values, states, rules and events.
//!
//! Everything here is a pure function of its arguments. It performs no I/O, reads no clock, draws no
//! random number, and must never mention a framework, a database, a protocol or a wire format. Other
//! bounded contexts of the monolith link this crate and ask through the small traits of [`directory`].

pub mod accounts;
pub mod audit;
pub mod challenges;
pub mod credentials;
pub mod directory;
pub mod events;
pub mod federation;
pub mod mfa;
pub mod opaque_token;
pub mod passkeys;
pub mod profiles;
pub mod protection;
pub mod sessions;
pub mod typed;

pub use common::access::{Principal, Role, Roles};
