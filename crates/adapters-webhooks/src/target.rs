//! The URL of a webhook.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use crate::address::Reach;

/// The port of `https`; all others must be allowed explicitly.
const HTTPS: u16 = 443;

/// The rules for targets.
#[derive(Debug, Clone, Default)]
pub struct TargetPolicy {
    /// Allowed ports other than 443.
    pub ports: Vec<u16>,
    /// Which hosts are allowed. With loopback, `http` and any port are accepted for this machine only. With networks,
    /// any name is accepted, and its addresses are checked when a connection is made.
    pub reach: Reach,
}

/// Why a URL is not a valid target. The message does not repeat it, because its path may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// It is not an absolute URL with a host.
    #[error("must be an absolute URL that begins with https://")]
    Malformed,
    /// Its scheme is not `https`.
    #[error("must begin with https://")]
    Scheme,
    /// It holds credentials, which would be sent in a header and logged by others.
    #[error("must not hold a user name or a password")]
    UserInfo,
    /// It has a fragment, which a client never sends to a server.
    #[error("must not have a fragment")]
    Fragment,
    /// Its port is not allowed: a different service probably listens there.
    #[error("must be on port 443, or on one of events.webhook_ports")]
    Port,
    /// Its host is an address or a name outside the public internet and the listed networks.
    #[error("must be a host of the public internet, or of one of events.webhook_networks")]
    Host,
}

/// The URL of a receiver, after all checks that need no name resolution.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// Parses the URL as the client will: `127.1`, `0x7f000001` and `2130706433` are all 127.0.0.1.
    ///
    /// # Errors
    /// [`InvalidTarget`].
    pub fn parse(text: &str, policy: &TargetPolicy) -> Result<Self, InvalidTarget> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidTarget::Malformed)?;
        let host = url.host().ok_or(InvalidTarget::Malformed)?;
        let is_here = policy.reach.loopback && is_loopback(&host);
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            _ => return Err(InvalidTarget::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidTarget::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(InvalidTarget::Fragment);
        }
        if is_here {
            return Ok(Self(url));
        }
        if !may_be_within(&policy.reach, &host) {
            return Err(InvalidTarget::Host);
        }
        let port = url.port_or_known_default().unwrap_or(HTTPS);
        if port != HTTPS && !policy.ports.contains(&port) {
            return Err(InvalidTarget::Port);
        }
        Ok(Self(url))
    }

    /// Its host (a name or an address) and its port.
    pub fn server(&self) -> (&str, u16) {
        let host = self.0.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (host, self.0.port_or_known_default().unwrap_or(HTTPS))
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.0
    }
}

/// Shows neither path nor query, because some receivers use them to authenticate senders.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.0.origin().ascii_serialization())
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether the host may be a target. A name's addresses are checked when a connection is made. Names that never resolve
/// to a public address are refused here, where an operator can still correct them, unless networks are listed.
fn may_be_within(reach: &Reach, host: &Host<&str>) -> bool {
    const LOCAL: [&str; 6] = ["localhost", "local", "internal", "lan", "home", "arpa"];
    match host {
        Host::Ipv4(address) => reach.allows(IpAddr::V4(*address)),
        Host::Ipv6(address) => reach.allows(IpAddr::V6(*address)),
        Host::Domain(_) if !reach.networks.is_empty() => true,
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name.rsplit_once('.')
                .is_some_and(|(_, top)| !LOCAL.contains(&top))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<InvalidTarget> {
        Target::parse(text, &TargetPolicy::default()).err()
    }

    #[test]
    fn t79_what_is_not_of_the_public_internet_is_refused_as_configured() {
        use InvalidTarget::{Fragment, Host, Malformed, Port, Scheme, UserInfo};
        for (text, reason) in [
            ("", Malformed),
            ("hooks.example.com", Malformed),
            ("https://", Malformed),
            ("https:///x", Host),
            ("http://hooks.example.com/", Scheme),
            ("ftp://hooks.example.com/", Scheme),
            ("file:///etc/passwd", Malformed),
            ("gopher://hooks.example.com/", Scheme),
            ("https://user@hooks.example.com/", UserInfo),
            ("https://user:word@hooks.example.com/", UserInfo),
            ("https://hooks.example.com@127.0.0.1/", UserInfo),
            ("https://hooks.example.com/#a", Fragment),
            ("https://hooks.example.com:22/", Port),
            ("https://hooks.example.com:6379/", Port),
            ("https://hooks.example.com:8443/", Port),
            ("http://127.0.0.1/", Scheme),
            ("https://127.0.0.1/", Host),
            ("https://127.1/", Host),
            ("https://2130706433/", Host),
            ("https://0x7f000001/", Host),
            ("https://0x7f.1/", Host),
            ("https://017700000001/", Host),
            ("https://0177.0.0.1/", Host),
            ("https://%31%32%37.0.0.1/", Host),
            ("https://①②⑦.0.0.1/", Host),
            ("https://0/", Host),
            ("https://10.0.0.1/", Host),
            ("https://100.64.0.1/", Host),
            ("https://169.254.169.254/latest/meta-data/", Host),
            ("https://172.16.0.1/", Host),
            ("https://192.168.0.1/", Host),
            ("https://224.0.0.1/", Host),
            ("https://[::1]/", Host),
            ("https://[::]/", Host),
            ("https://[::ffff:127.0.0.1]/", Host),
            ("https://[::ffff:7f00:1]/", Host),
            ("https://[64:ff9b::127.0.0.1]/", Host),
            ("https://[2002:7f00:1::]/", Host),
            ("https://[fd00::1]/", Host),
            ("https://[fe80::1]/", Host),
            ("https://[ff02::1]/", Host),
            ("https://localhost/", Host),
            ("https://LOCALHOST/", Host),
            ("https://localhost./", Host),
            ("https://db.localhost/", Host),
            ("https://redis/", Host),
            ("https://printer.local/", Host),
            ("https://metadata.google.internal/", Host),
        ] {
            assert_eq!(refused(text), Some(reason), "{text}");
        }
        for text in [
            "https://hooks.example.com",
            "https://hooks.example.com:443/a/b?c=d",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }

    #[test]
    fn other_ports_and_this_machine_have_to_be_allowed() {
        let policy = TargetPolicy {
            ports: vec![8443],
            reach: Reach {
                loopback: true,
                ..Reach::default()
            },
        };
        let refused = |text| Target::parse(text, &policy).err();
        assert_eq!(refused("https://hooks.example.com:8443/"), None);
        assert_eq!(refused("http://127.0.0.1:4000/"), None);
        assert_eq!(refused("http://[::1]:4000/"), None);
        assert_eq!(refused("http://localhost:4000/"), None);
        for (text, reason) in [
            ("http://hooks.example.com/", InvalidTarget::Scheme),
            ("http://10.0.0.1:4000/", InvalidTarget::Scheme),
            ("https://10.0.0.1/", InvalidTarget::Host),
            ("https://hooks.example.com:4000/", InvalidTarget::Port),
            ("http://user@127.0.0.1/", InvalidTarget::UserInfo),
        ] {
            assert_eq!(refused(text), Some(reason), "{text}");
        }
    }
    #[test]
    fn a_receiver_in_a_listed_network_is_a_target() {
        let policy = TargetPolicy {
            reach: Reach {
                networks: vec!["10.20.0.0/16".parse().unwrap()],
                loopback: false,
            },
            ..TargetPolicy::default()
        };
        let refused = |text| Target::parse(text, &policy).err();
        for text in [
            "https://10.20.3.4/",
            "https://hooks.shop.internal/",
            "https://hooks/",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
        for (text, reason) in [
            ("http://10.20.3.4/", InvalidTarget::Scheme),
            ("https://10.20.3.4:6379/", InvalidTarget::Port),
            ("https://10.21.3.4/", InvalidTarget::Host),
            ("https://127.0.0.1/", InvalidTarget::Host),
            ("https://[::ffff:10.20.3.4]/", InvalidTarget::Host),
            ("https://169.254.169.254/latest/", InvalidTarget::Host),
        ] {
            assert_eq!(refused(text), Some(reason), "{text}");
        }
    }
}
