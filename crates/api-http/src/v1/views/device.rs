//! The device and place of a session's sign-in: enough for its owner to recognise it, too little to locate a
//! person.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use utoipa::ToSchema;
use woothee::parser::Parser;

/// The device, as far as its user agent identifies it; unknown parts are null.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Device)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceView {
    #[schema(required, example = "Firefox")]
    browser: Option<String>,
    #[schema(required, example = "Windows 10")]
    system: Option<String>,
    /// `pc`, `smartphone`, `mobilephone`, `appliance`, `crawler` or `misc`.
    #[schema(required, example = "pc")]
    kind: Option<String>,
}

/// The place, as far as the address reveals it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Place)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceView {
    /// The address without its last part, so that a stolen session doesn't reveal where the owner lives.
    #[schema(example = "203.0.113.0/24")]
    network: String,
}

impl DeviceView {
    pub(crate) fn of(user_agent: Option<&str>) -> Self {
        let parsed = user_agent.and_then(|text| Parser::new().parse(text));
        let known = |text: &str| (text != "UNKNOWN").then(|| text.to_owned());
        Self {
            browser: parsed.as_ref().and_then(|it| known(it.name)),
            system: parsed.as_ref().and_then(|it| known(it.os)),
            kind: parsed.as_ref().and_then(|it| known(it.category)),
        }
    }
}

impl PlaceView {
    pub(crate) fn of(address: IpAddr) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let network = Ipv4Addr::from_bits(v4.to_bits() & !0xff);
                format!("{network}/24")
            }
            IpAddr::V6(v6) => {
                let network = Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 48));
                format!("{network}/48")
            }
        };
        Self { network }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_network_and_not_a_home() {
        let place = |text: &str| PlaceView::of(text.parse().unwrap()).network;
        assert_eq!(place("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(place("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(place("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
    }

    #[test]
    fn a_device_is_told_by_its_user_agent() {
        let firefox =
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let device = DeviceView::of(Some(firefox));
        assert_eq!(device.browser.as_deref(), Some("Firefox"));
        assert_eq!(device.system.as_deref(), Some("Windows 10"));
        assert_eq!(device.kind.as_deref(), Some("pc"));
        for nothing in [None, Some("\u{202e}<script>")] {
            assert_eq!(DeviceView::of(nothing).browser, None);
        }
    }
}
