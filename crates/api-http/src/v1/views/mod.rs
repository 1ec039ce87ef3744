//! Views that several routes answer with.

mod challenge;
mod device;
mod sign_in;
mod signed_in;
mod user;

pub(crate) use challenge::ChallengeView;
pub(crate) use device::{DeviceView, PlaceView};
pub(crate) use sign_in::{SignInView, factor_names, sign_in};
pub(crate) use signed_in::{SignedInView, TokensView, exposed};
pub(crate) use user::UserView;

#[cfg(test)]
mod tests;
