//! The composition root of `fashionistar-auth`: configuration, telemetry, wiring, the command line.
//!
//! It alone knows every crate; which adapter is behind which port is decided in `wire` and nowhere else.
//! It holds no rule of the business and answers no request by itself.

mod application;
mod backup;
pub mod commands;
pub mod config;
mod connections;
mod doctor;
mod error;
mod shutdown;
mod telemetry;
mod wire;
mod workers;

pub use application::{Application, Handle};
pub use connections::TooFewFiles;
pub use error::{RunError, StartError};
pub use telemetry::{Telemetry, TelemetryError};
pub use wire::{AroundHasher, Counters, Overrides};
