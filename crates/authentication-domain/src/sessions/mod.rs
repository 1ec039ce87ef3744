//! Sessions: how a person stays signed in, and how that ends.

mod access_claims;
mod device;
mod refresh_token;
mod session;

pub use access_claims::AccessClaims;
pub use device::{Device, DeviceId, DeviceToken};
pub use refresh_token::{RefreshToken, Rotation, RotationRules};
pub use session::{EndReason, SessionId, SessionLimits, SessionRules};
