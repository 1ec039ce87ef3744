//! What several routes answer with.

mod challenge;
mod device;
mod signed_in;
mod user;

pub(crate) use challenge::ChallengeView;
pub(crate) use device::{DeviceView, PlaceView};
pub(crate) use signed_in::{SignedInView, TokensView};
pub(crate) use user::UserView;

#[cfg(test)]
mod tests;
