//! Keys that change while the service runs.

mod gateway;
mod many;
mod ring;
mod rules;
mod stages;
