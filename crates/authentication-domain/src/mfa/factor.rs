//! The kinds of second factor.

use common::access::AuthenticationMethod;
use serde::{Deserialize, Serialize};

/// A kind of second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SecondFactor {
    /// A code from an authenticator app.
    #[serde(rename = "totp")]
    Totp,
    /// A passkey.
    #[serde(rename = "webauthn")]
    WebAuthn,
    /// A recovery code, shown when a factor was set up.
    #[serde(rename = "recovery_code")]
    RecoveryCode,
    /// A code by mail or SMS.
    #[serde(rename = "otp")]
    OneTimeCode,
}

impl SecondFactor {
    /// Sorted by preference: the best one to ask for first.
    pub const ALL: [Self; 4] = [
        Self::WebAuthn,
        Self::Totp,
        Self::OneTimeCode,
        Self::RecoveryCode,
    ];

    /// The name in the HTTP API and the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::WebAuthn => "webauthn",
            Self::RecoveryCode => "recovery_code",
            Self::OneTimeCode => "otp",
        }
    }

    /// The authentication method that a session records for it.
    pub const fn method(self) -> AuthenticationMethod {
        match self {
            Self::Totp => AuthenticationMethod::Totp,
            Self::WebAuthn => AuthenticationMethod::Passkey,
            Self::RecoveryCode => AuthenticationMethod::RecoveryCode,
            Self::OneTimeCode => AuthenticationMethod::OneTimeCode,
        }
    }
}

/// The second factors that an account has set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecondFactors {
    /// An authenticator app.
    pub totp: bool,
    /// At least one passkey.
    pub passkeys: bool,
    /// At least one unused recovery code.
    pub recovery_codes: bool,
}

impl SecondFactors {
    /// Whether sign-in requires a second factor. Recovery codes replace another factor and do not count
    /// alone.
    pub const fn is_enabled(self) -> bool {
        self.totp || self.passkeys
    }

    /// The enabled factors, as shown to the owner.
    pub fn shown(self) -> impl Iterator<Item = SecondFactor> {
        SecondFactor::ALL
            .into_iter()
            .filter(move |factor| match factor {
                SecondFactor::Totp => self.totp,
                SecondFactor::WebAuthn => self.passkeys,
                SecondFactor::RecoveryCode => self.is_enabled() && self.recovery_codes,
                SecondFactor::OneTimeCode => false,
            })
    }
}
