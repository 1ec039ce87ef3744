//! How often each kind of route may be called.

use time::Duration;

/// Routes that share a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteClass {
    /// Registration.
    Register,
    /// Sign-in by password.
    LogIn,
    /// Whatever sends a message: sign-in by code, resend, reset.
    SendCode,
    /// Whatever takes a code or a token that could be guessed.
    Verify,
    /// Refreshing tokens.
    Refresh,
    /// Whatever has a password hashed or judged behind a bearer token.
    Password,
    /// Everything else behind a bearer token.
    SignedIn,
    /// Everything else that is open to all.
    Public,
}

/// So many calls in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls allowed in any window.
    pub calls: u32,
    /// Its length; whole seconds.
    pub window: Duration,
}

/// The quotas of one class of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// For one client address (a /64 for IPv6).
    pub by_address: Option<Quota>,
    /// For one identifier, or for one account when signed in.
    pub by_subject: Option<Quota>,
    /// For one device that says that it is known to the owner of one identifier. What a device used up is not
    /// the identifier's, which strangers can use up.
    pub by_device: Option<Quota>,
}

impl Quota {
    /// So many calls an hour.
    pub const fn an_hour(calls: u32) -> Self {
        Self {
            calls,
            window: Duration::hours(1),
        }
    }

    const fn a_minute(calls: u32) -> Self {
        Self {
            calls,
            window: Duration::minutes(1),
        }
    }
}

impl RouteClass {
    /// The name in keys and in `RateLimit-Policy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::LogIn => "login",
            Self::SendCode => "send-code",
            Self::Verify => "verify",
            Self::Refresh => "refresh",
            Self::Password => "password",
            Self::SignedIn => "signed-in",
            Self::Public => "public",
        }
    }

    /// The table of the design's "Limits". Messages by recipient are the challenge rules' business.
    pub const fn limit(self) -> Limit {
        let (by_address, by_subject) = match self {
            Self::Register | Self::SendCode => (Quota::an_hour(20), None),
            // A hash costs hundreds of times what another call does, signed in or not.
            Self::LogIn | Self::Password => (Quota::a_minute(60), Some(Quota::a_minute(20))),
            Self::Verify => (Quota::a_minute(60), None),
            Self::Refresh => (Quota::a_minute(600), None),
            Self::SignedIn => (Quota::a_minute(1_200), Some(Quota::a_minute(600))),
            Self::Public => (Quota::a_minute(1_200), None),
        };
        let by_device = match self {
            Self::LogIn => by_subject,
            _ => None,
        };
        Limit {
            by_address: Some(by_address),
            by_subject,
            by_device,
        }
    }
}
