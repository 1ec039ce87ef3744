//! Reads on the pool, and the few single statements that change something there.

mod accounts;
mod ceilings;
mod challenges;
mod event_lanes;
mod events;
mod federation;
mod messages;
mod parked;
mod passkeys;
mod rekeying;
mod second_factors;
mod sessions;

pub use sessions::ROTATE;
