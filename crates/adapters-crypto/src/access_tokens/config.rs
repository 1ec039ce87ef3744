//! The fixed claims of tokens: issuer, audience and client.

use time::Duration;

/// The claims that are the same in every token, and the tolerated clock skew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtConfig {
    /// `iss`: the service's own address. Compared exactly, including a final slash.
    pub issuer: String,
    /// `aud`: the services that accept these tokens.
    pub audience: String,
    /// `client_id`: the client that they are issued for.
    pub client_id: String,
    /// How far another node's clock may run ahead or behind: 0 to 60 seconds, 5 by default.
    pub leeway: Duration,
}

/// Why the configuration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtConfigError {
    /// Each of them is a required claim (RFC 9068 §2.2).
    #[error("the tokens' {0} is empty")]
    Empty(&'static str),
    /// RFC 7519 §4.1.4 allows a few minutes at most; one minute is enough.
    #[error("the tokens' leeway is not between 0 and {} seconds", JwtConfig::MAX_LEEWAY.whole_seconds())]
    Leeway,
}

impl JwtConfig {
    /// The default leeway.
    pub const LEEWAY: Duration = Duration::seconds(5);
    /// The largest leeway.
    pub const MAX_LEEWAY: Duration = Duration::seconds(60);

    pub(super) fn validate(&self) -> Result<(), JwtConfigError> {
        let named = [
            ("issuer", &self.issuer),
            ("audience", &self.audience),
            ("client id", &self.client_id),
        ];
        if let Some((name, _)) = named.iter().find(|(_, value)| value.is_empty()) {
            return Err(JwtConfigError::Empty(name));
        }
        if (Duration::ZERO..=Self::MAX_LEEWAY).contains(&self.leeway) {
            Ok(())
        } else {
            Err(JwtConfigError::Leeway)
        }
    }
}
