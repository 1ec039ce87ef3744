//! Rate limits per class of routes.

use time::Duration;

/// Routes that share a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteClass {
    /// Registration.
    Register,
    /// Sign-in by password.
    LogIn,
    /// Routes that send a message: sign-in by code, resend, reset.
    SendCode,
    /// Routes that accept a guessable code or token.
    Verify,
    /// Refreshing tokens.
    Refresh,
    /// Authenticated routes that hash or judge a password.
    Password,
    /// All other authenticated routes.
    SignedIn,
    /// All other public routes.
    Public,
}

/// A number of calls per sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls allowed in any window.
    pub calls: u32,
    /// The length of the window, in whole seconds.
    pub window: Duration,
}

/// The quotas of one class of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// For one client address (a /64 for IPv6).
    pub by_address: Option<Quota>,
    /// For one identifier, or for one account when signed in.
    pub by_subject: Option<Quota>,
    /// For one device that claims to be a known device of one identifier's owner. Its budget is separate from
    /// the identifier's, which strangers can use up.
    pub by_device: Option<Quota>,
}

impl Quota {
    /// A quota of so many calls per hour.
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
    /// The name in keys and in the `RateLimit-Policy` header.
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

    /// The limits from the table "Limits" of the design. The challenge rules limit messages per recipient.
    pub const fn limit(self) -> Limit {
        let (by_address, by_subject) = match self {
            Self::Register | Self::SendCode => (Quota::an_hour(20), None),
            // A password hash costs hundreds of times as much as any other call, signed in or not.
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
