//! The composition root of `fashionistar-auth`: configuration, telemetry, wiring, the command line.
//!
//! This crate alone depends on every other crate; `wire` is the only module that decides which adapter implements
//! which port. It contains no business rule and handles no request itself.

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
