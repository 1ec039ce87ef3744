//! Known devices: devices from which a person has signed in before.
//!
//! Failed attempts on such a device are counted separately, so that a stranger's guesses cannot lock the
//! owner out.

use common::Id;
use uuid::Uuid;

/// Type marker for device ids.
#[derive(Debug)]
pub enum Device {}
/// Identifies a device of one account.
pub type DeviceId = Id<Device>;

/// The parts of a device token: `fa_dt_v1.<device>.<mac over device and account>`.
///
/// The MAC can only be verified together with an account.
#[derive(Clone)]
pub struct DeviceToken {
    /// The device that the token claims to belong to.
    pub device: DeviceId,
    /// MAC over the device and its account.
    pub mac: String,
}

impl DeviceToken {
    /// The prefix that secret scanners search for. It never changes.
    pub const PREFIX: &'static str = "fa_dt_v1";
    const MAX_LENGTH: usize = 128;

    /// Splits a token into its parts; `None` when it cannot be a token of this service.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_LENGTH {
            return None;
        }
        let mut parts = text.split('.');
        let (prefix, device, mac) = (parts.next()?, parts.next()?, parts.next()?);
        let token = Self {
            device: Id::from_uuid(Uuid::try_parse(device).ok()?),
            mac: mac.to_owned(),
        };
        let ours = prefix == Self::PREFIX && parts.next().is_none() && token.to_text() == text;
        ours.then_some(token)
    }

    /// The token text that clients hold.
    pub fn to_text(&self) -> String {
        let device = self.device.as_uuid().simple();
        format!("{}.{device}.{}", Self::PREFIX, self.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_spelling() {
        let token = DeviceToken {
            device: Id::from_uuid(Uuid::from_u128(1)),
            mac: "bWFj".to_owned(),
        };
        let text = token.to_text();
        assert!(DeviceToken::parse(&text).is_some_and(|it| it.to_text() == text));
        for other in [
            "",
            "x",
            "fa_dt_v1.x.y",
            &text.replace("dt", "rt"),
            &format!("{text}."),
        ] {
            assert!(DeviceToken::parse(other).is_none(), "{other}");
        }
    }
}
