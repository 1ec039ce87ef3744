//! Passkeys: enrolling them, signing in with them, looking after them, and all that does not count.

mod attacks;
mod counters;
mod enrolment;
mod own;
mod proving_again;
mod second_factor;
mod setup;
mod sign_in;

pub(crate) use setup::{ORIGIN, honest};
