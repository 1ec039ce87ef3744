//! The parts of a URL.

use std::net::IpAddr;

use url::{Url, form_urlencoded};

use super::{TargetSession, UrlMistake};

/// A host, if one is named, and its port.
type HostAndPort = (Option<String>, Option<u16>);

/// The contents of a URL while it is read.
#[derive(Default)]
pub(super) struct Read {
    hosts: Vec<(String, Option<u16>)>,
    /// From the parameters, which replace the hosts above.
    host: Option<Vec<String>>,
    hostaddr: Option<Vec<String>>,
    ports: Option<Vec<u16>>,
    pub(super) target: TargetSession,
    kept: Vec<(String, String)>,
    /// The parameters seen so far: of two values one would be ignored.
    taken: Vec<&'static str>,
}

impl Read {
    /// Begins with the hosts between user and path.
    pub(super) fn beginning_with(hosts: &str) -> Result<Self, UrlMistake> {
        Ok(Self {
            hosts: hosts_in(hosts)?,
            ..Self::default()
        })
    }

    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<(), UrlMistake> {
        let name = spelled(name).ok_or_else(|| refused(name))?;
        if self.taken.contains(&name) {
            return Err(UrlMistake::Repeated(name));
        }
        self.taken.push(name);
        match name {
            "host" => self.host = Some(list(value)),
            "hostaddr" => {
                let addresses = list(value);
                if addresses.iter().any(|it| it.parse::<IpAddr>().is_err()) {
                    return Err(UrlMistake::Value("hostaddr", "an IP address"));
                }
                self.hostaddr = Some(addresses);
            }
            "port" => self.ports = Some(ports_in(value)?),
            "target_session_attrs" => {
                let wanted = "any, read-write, read-only, primary, standby or prefer-standby";
                self.target = TargetSession::from_name(value)
                    .ok_or(UrlMistake::Value("target_session_attrs", wanted))?;
            }
            "channel_binding" => must_be("channel_binding", value, &["disable"], NO_BINDING)?,
            "load_balance_hosts" => {
                must_be("load_balance_hosts", value, &["disable"], "disable")?;
            }
            "sslmode" => {
                let mode = value.to_ascii_lowercase();
                must_be("sslmode", &mode, &SSL_MODES, SSL_MODES_IN_WORDS)?;
                self.keep(name, &mode);
            }
            "sslrootcert" if value == "system" => {
                return Err(UrlMistake::Value(name, "the path of a file"));
            }
            _ => self.keep(name, value),
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, value: &str) {
        self.kept.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn servers(mut self, base: &Url) -> Result<Vec<Url>, UrlMistake> {
        for (name, value) in [
            (
                "user",
                Some(base.username()).filter(|user| !user.is_empty()),
            ),
            ("password", base.password().filter(|it| !it.is_empty())),
        ] {
            let is_there = self.kept.iter().any(|(kept, _)| kept == name);
            if let Some(value) = value.filter(|_| !is_there) {
                self.keep(name, &decoded(value)?);
            }
        }
        let hosts = self.places()?;
        let server = |(host, port): (Option<String>, Option<u16>)| -> Result<Url, UrlMistake> {
            let mut url = Url::parse("postgres:///").map_err(|_| UrlMistake::Unreadable)?;
            url.set_path(base.path());
            let mut pairs = url.query_pairs_mut();
            pairs.extend_pairs(&self.kept);
            if let Some(host) = host {
                pairs.append_pair("host", &host);
            }
            if let Some(port) = port {
                pairs.append_pair("port", &port.to_string());
            }
            drop(pairs);
            Ok(url)
        };
        hosts.into_iter().map(server).collect()
    }

    /// Hosts with their ports; a single place without a name if no host is named.
    fn places(&mut self) -> Result<Vec<HostAndPort>, UrlMistake> {
        let hosts: Vec<HostAndPort> = match (self.host.take(), self.hostaddr.take()) {
            // libpq verifies the certificate against `host` and connects to `hostaddr`, which the driver cannot do.
            (Some(_), Some(_)) => {
                return Err(UrlMistake::Value("hostaddr", "none beside host"));
            }
            (None, Some(_)) if !self.hosts.is_empty() => {
                return Err(UrlMistake::Value("hostaddr", "none beside a host"));
            }
            (Some(hosts), None) | (None, Some(hosts)) => {
                for host in &hosts {
                    if !host.starts_with('/') && !is_name(host) {
                        return Err(UrlMistake::Value(
                            "host",
                            "names, addresses or folders of sockets",
                        ));
                    }
                }
                let keeps_ports = hosts.len() == self.hosts.len();
                let ports = self.hosts.iter().map(|(_, port)| *port);
                let ports: Vec<_> = ports.filter(|_| keeps_ports).collect();
                let port_of = |at: usize| ports.get(at).copied().flatten();
                let numbered = hosts.into_iter().enumerate();
                numbered
                    .map(|(at, host)| (Some(host), port_of(at)))
                    .collect()
            }
            (None, None) if self.hosts.is_empty() => vec![(None, None)],
            (None, None) => {
                let hosts = std::mem::take(&mut self.hosts).into_iter();
                hosts.map(|(host, port)| (Some(host), port)).collect()
            }
        };
        let Some(ports) = self.ports.take() else {
            return Ok(hosts);
        };
        if ports.len() != 1 && ports.len() != hosts.len() {
            return Err(UrlMistake::Ports);
        }
        let ports = ports.iter().copied().cycle();
        let hosts = hosts.into_iter().zip(ports);
        Ok(hosts.map(|((host, _), port)| (host, Some(port))).collect())
    }
}

/// The honoured parameters, in every spelling that the driver knows.
const SPELLINGS: [(&str, &str); 20] = [
    ("application_name", "application_name"),
    ("channel_binding", "channel_binding"),
    ("dbname", "dbname"),
    ("host", "host"),
    ("hostaddr", "hostaddr"),
    ("load_balance_hosts", "load_balance_hosts"),
    ("options", "options"),
    ("password", "password"),
    ("port", "port"),
    ("sslcert", "sslcert"),
    ("ssl-cert", "sslcert"),
    ("sslkey", "sslkey"),
    ("ssl-key", "sslkey"),
    ("sslmode", "sslmode"),
    ("ssl-mode", "sslmode"),
    ("sslrootcert", "sslrootcert"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("target_session_attrs", "target_session_attrs"),
    ("user", "user"),
];

/// The libpq name of a parameter.
fn spelled(name: &str) -> Option<&'static str> {
    let found = SPELLINGS.iter().find(|(spelling, _)| *spelling == name);
    found.map(|(_, name)| *name)
}

const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
const SSL_MODES_IN_WORDS: &str = "disable, prefer, require, verify-ca or verify-full";
const NO_BINDING: &str = "disable, or leave it out; the service does not bind passwords to the TLS channel: \
                          use sslmode=verify-full, which lets nobody pass for the server";

fn must_be(
    name: &'static str,
    value: &str,
    wanted: &[&str],
    in_words: &'static str,
) -> Result<(), UrlMistake> {
    if wanted.contains(&value) {
        Ok(())
    } else {
        Err(UrlMistake::Value(name, in_words))
    }
}

/// Parameters of libpq or other drivers that the service does not support. Messages may name them.
const UNSUPPORTED: &str = "connect_timeout connection_limit client_encoding fallback_application_name gssdelegation \
    gssencmode gsslib keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname \
    max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer oauth_scope passfile \
    pgbouncer pool_timeout prepareThreshold replication require_auth requirepeer requiressl schema scram_client_key \
    scram_server_key service servicefile ssl_max_protocol_version ssl_min_protocol_version sslcertmode \
    sslcompression sslcrl sslcrldir sslkeylogfile sslnegotiation sslpassword sslsni statement-cache-capacity \
    statement_cache_capacity tcp_user_timeout";

/// What to use instead of some of them.
const HINTS: [(&str, &str); 9] = [
    ("connect_timeout", ": use database.acquire_timeout_seconds"),
    ("connection_limit", ": use database.max_connections"),
    ("fallback_application_name", ": use application_name"),
    ("passfile", ": put the password into the URL"),
    ("pgbouncer", ": a pooler is recognised without it"),
    ("pool_timeout", ": use database.acquire_timeout_seconds"),
    ("requiressl", ": use sslmode=require"),
    ("schema", ": use options=-csearch_path%3DNAME"),
    ("service", ": put what the service file says into the URL"),
];

fn refused(name: &str) -> UrlMistake {
    let Some(known) = UNSUPPORTED.split(' ').find(|known| *known == name) else {
        return UrlMistake::UnknownParameter;
    };
    let hint = HINTS.iter().find(|(of, _)| *of == name);
    UrlMistake::UnsupportedParameter(known, hint.map_or("", |(_, hint)| hint))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn ports_in(text: &str) -> Result<Vec<u16>, UrlMistake> {
    let ports = text.split(',').map(port);
    ports.collect::<Option<_>>().ok_or(UrlMistake::Ports)
}

fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

/// `host:port,[::1]:port,%2Frun%2Fpostgresql`
fn hosts_in(text: &str) -> Result<Vec<(String, Option<u16>)>, UrlMistake> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let host = |text: &str| {
        let (host, rest) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(number) => Some(port(number)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        let host = decoded(host).ok()?;
        (host.starts_with('/') || is_name(&host)).then_some((host, port))
    };
    let hosts = text.split(',').map(host);
    hosts.collect::<Option<_>>().ok_or(UrlMistake::Unreadable)
}

fn is_name(host: &str) -> bool {
    let is_plain = |it: char| it.is_alphanumeric() || matches!(it, '.' | '-' | '_');
    host.parse::<IpAddr>().is_ok() || !host.is_empty() && host.chars().all(is_plain)
}

/// Decodes percent-encoding (`%40`).
fn decoded(text: &str) -> Result<String, UrlMistake> {
    // The query parser decodes it too, but takes a plus for a space, which `%2B` is not.
    let query = format!("it={}", text.replace('+', "%2B").replace('&', "%26"));
    let value = form_urlencoded::parse(query.as_bytes()).next();
    let value = value.map(|(_, value)| value.into_owned());
    value
        .filter(|value| !value.contains('\u{fffd}'))
        .ok_or(UrlMistake::Unreadable)
}
