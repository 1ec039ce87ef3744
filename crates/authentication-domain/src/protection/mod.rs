//! Protection against guessing and floods: lockout, and limits by address, identifier and route.

mod limits;
mod lockout;

pub use limits::{Limit, Quota, RouteClass};
pub use lockout::{AttemptCounter, LockoutRules};
