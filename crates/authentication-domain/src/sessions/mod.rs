//! Sessions: how a person stays signed in, and how that ends.

mod access_claims;
mod device;
mod refresh_token;
mod rotation;
mod session;

pub use access_claims::AccessClaims;
pub use device::{Device, DeviceId, DeviceToken};
pub use refresh_token::RefreshToken;
pub use rotation::{Chain, Forgiven, Rotation, RotationRules};
pub use session::{EndReason, SessionId, SessionLimits, SessionRules};
