//! Caching by intent.

mod cached;
mod flights;
mod intent;
mod interleavings;
mod liveness;
mod liveness_races;
mod store;
