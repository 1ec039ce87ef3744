//! Protection against guessing and floods: lockout, and rate limits by address, identifier and route.

mod limits;
mod lockout;
mod notice_pace;

pub use limits::{Limit, Quota, RouteClass};
pub use lockout::{AttemptCounter, LockoutRules};
pub use notice_pace::{NoticePace, NoticeState, Telling};
