//! Devices that a person has signed in from before.
//!
//! Failed attempts from such a device are counted apart, so that a stranger who guesses cannot lock the
//! owner out.

use common::Id;
use uuid::Uuid;

/// Marks ids of devices.
#[derive(Debug)]
pub enum Device {}
/// Identifies a device of one account.
pub type DeviceId = Id<Device>;

/// A device token taken apart: `fa_dt_v1.<device>.<mac over device and account>`.
///
/// Whether the mac is good can be told only beside an account.
#[derive(Clone)]
pub struct DeviceToken {
    /// Which device it claims to be.
    pub device: DeviceId,
    /// Over the device and its account.
    pub mac: String,
}

impl DeviceToken {
    /// The prefix that secret scanners look for. Never changed.
    pub const PREFIX: &'static str = "fa_dt_v1";
    const MAX_LENGTH: usize = 128;

    /// Takes a text apart; `None` when it cannot be one of ours.
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

    /// The text as clients hold it.
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
