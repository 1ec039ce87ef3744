//! The client's address and user agent. Only this module determines them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, USER_AGENT},
};

use crate::ApiConfig;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// The most entries that are examined: no real chain of proxies is longer.
const MOST_HOPS: usize = 16;
/// The most characters of a user agent that are kept.
const MOST_USER_AGENT: usize = 256;

/// The client's address, according to the trusted proxies.
pub(crate) fn address_of(request: &HttpRequest, config: &ApiConfig) -> IpAddr {
    // Without a peer address (a test without a socket) no proxy is trusted and nothing is exempt.
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    walk(peer, request.headers(), config)
}

/// Walks from the peer to the left through `X-Forwarded-For`, as long as each hop is a trusted proxy. The first
/// untrusted hop could have written everything to its left. An entry that is not an address ends the walk; empty
/// entries are skipped (RFC 9110 §5.6.1.2).
fn walk(peer: IpAddr, headers: &HeaderMap, config: &ApiConfig) -> IpAddr {
    let mut address = peer.to_canonical();
    if !config.is_trusted_proxy(address) {
        return address;
    }
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let is_empty = |hop: &&[u8]| hop.trim_ascii().is_empty();
    for hop in hops.take(MOST_HOPS).filter(|hop| !is_empty(hop)) {
        let Some(next) = parse_hop(hop) else { break };
        address = next;
        if !config.is_trusted_proxy(address) {
            break;
        }
    }
    address
}

/// Parses an address, with or without a port.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|it| it.ip()))
        .map(|address| address.to_canonical())
        .ok()
}

/// The user agent: the printable characters, up to the maximum.
pub(crate) fn user_agent_of(headers: &HeaderMap) -> Option<String> {
    let said = String::from_utf8_lossy(headers.get(USER_AGENT)?.as_bytes());
    let kept: String = said
        .chars()
        .filter(|character| !character.is_control())
        .take(MOST_USER_AGENT)
        .collect();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn config() -> ApiConfig {
        ApiConfig {
            trusted_proxies: vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8:a::/48".parse().unwrap(),
            ],
            ..ApiConfig::default()
        }
    }

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let request = forwarded
            .iter()
            .fold(
                TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 4711)),
                |request, line| request.append_header((FORWARDED_FOR, *line)),
            )
            .to_http_request();
        address_of(&request, &config()).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(seen("203.0.113.9", &["10.0.0.1"]), "203.0.113.9");
    }

    #[test]
    fn a_proxy_is_believed_about_its_own_peer_and_no_further() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            seen("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen("10.0.0.1", &["1.2.3.4", "198.51.100.1", "10.0.0.2"]),
            "198.51.100.1",
            "several header lines are one list"
        );
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        for junk in ["", "unknown", "_hidden", "1.2.3.4.5", "\u{e9}", "a,b", ","] {
            assert_eq!(seen("10.0.0.1", &[junk]), "10.0.0.1", "{junk:?}");
        }
        assert_eq!(seen("10.0.0.1", &["1.2.3.4, junk, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn an_empty_entry_is_passed_over() {
        for list in [
            "198.51.100.1,",
            "198.51.100.1, , 10.0.0.2",
            ",198.51.100.1 ,\t,",
        ] {
            assert_eq!(seen("10.0.0.1", &[list]), "198.51.100.1", "{list:?}");
        }
        let lines = ["198.51.100.1", "", "10.0.0.2"];
        assert_eq!(seen("10.0.0.1", &lines), "198.51.100.1");
        let many = format!("198.51.100.1{}", ",".repeat(1_000));
        assert_eq!(
            seen("10.0.0.1", &[&many]),
            "10.0.0.1",
            "no more than so many are looked at"
        );
    }

    #[test]
    fn an_address_may_bring_a_port() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.1:5678"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::7]:5678"]), "2001:db8::7");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
        assert_eq!(seen("2001:db8:a::1", &["2001:db8::7"]), "2001:db8::7");
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        assert_eq!(seen("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn a_list_of_proxies_alone_ends_at_its_end() {
        let long = vec!["10.0.0.2"; 1_000].join(",");
        assert_eq!(seen("10.0.0.1", &[&long]), "10.0.0.2");
    }

    #[test]
    fn a_user_agent_is_cut_and_cleaned() {
        let agent = |text: &str| {
            let request = TestRequest::default()
                .insert_header((USER_AGENT, text))
                .to_http_request();
            user_agent_of(request.headers())
        };
        assert_eq!(agent("curl/8.5\ttest"), Some("curl/8.5test".to_owned()));
        assert_eq!(agent(&"x".repeat(5_000)).map(|kept| kept.len()), Some(256));
        assert_eq!(agent(""), None);
    }
}
