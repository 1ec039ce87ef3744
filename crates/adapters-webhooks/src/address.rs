//! Which addresses may be connected to: those of the public internet, and those that an operator listed.
//!
//! The tables follow IANA's special-purpose address registries (RFC 6890 and its updates). An IPv6 address with an
//! embedded IPv4 address is refused altogether, because a router that we do not control decides where it leads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// IPv4 networks that are not public, with prefix lengths: this host, private, shared (CGNAT), loopback, link-local,
/// protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved with broadcast.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The global unicast addresses of IPv6.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Exceptions within [`GLOBAL_V6`]: protocol assignments (Teredo, benchmarks, ORCHID), documentation, 6to4,
/// documentation.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Which addresses may be connected to.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Networks in addition to the public internet. An IPv4 network never contains an IPv6 address, not even one with
    /// an embedded IPv4 address.
    pub networks: Vec<IpNet>,
    /// Also allows loopback addresses. For development and tests.
    pub loopback: bool,
}

impl Reach {
    /// Whether this address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        is_public(address)
            || (self.loopback && address.is_loopback())
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address))
    }
}

/// Whether an address belongs to the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|network| is_in_v4(address, *network)),
        IpAddr::V6(address) => {
            is_in_v6(address, GLOBAL_V6)
                && !SPECIAL_V6.iter().any(|network| is_in_v6(address, *network))
        }
    }
}

fn is_in_v4(address: Ipv4Addr, (network, length): (Ipv4Addr, u32)) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= length
}

fn is_in_v6(address: Ipv6Addr, (network, length): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_network_may_be_called_and_nothing_beside_it() {
        let reach = |networks: &[&str]| Reach {
            networks: networks.iter().map(|it| it.parse().unwrap()).collect(),
            loopback: false,
        };
        let allows = |reach: &Reach, address: &str| reach.allows(address.parse().unwrap());
        let internal = reach(&["10.20.0.0/16", "fd12:3456::/32"]);
        for address in ["10.20.0.1", "10.20.255.255", "fd12:3456::1", "1.1.1.1"] {
            assert!(allows(&internal, address), "{address}");
        }
        for address in [
            "10.19.255.255",
            "10.21.0.0",
            "192.168.0.1",
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "0.0.0.0",
            "fd12:3457::1",
            // A listed IPv4 network does not include IPv6 addresses that embed its addresses.
            "::ffff:10.20.0.1",
            "::10.20.0.1",
            "64:ff9b::a14:1",
            "2002:a14:1::",
        ] {
            assert!(!allows(&internal, address), "{address}");
        }
        // Special addresses are allowed if they are listed.
        let listed = reach(&["127.0.0.0/8", "169.254.169.254/32"]);
        assert!(allows(&listed, "127.0.0.1") && allows(&listed, "169.254.169.254"));
        assert!(!allows(&listed, "169.254.169.253") && !allows(&listed, "::1"));
    }

    #[test]
    fn only_the_public_internet_is_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2003::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(refused.parse().unwrap()), "{refused}");
        }
    }
}
