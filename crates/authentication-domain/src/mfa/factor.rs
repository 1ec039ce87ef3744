//! What can be asked for after the first factor.

use common::access::AuthenticationMethod;
use serde::{Deserialize, Serialize};

/// A kind of second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SecondFactor {
    /// A code of an authenticator app.
    #[serde(rename = "totp")]
    Totp,
    /// A passkey.
    #[serde(rename = "webauthn")]
    WebAuthn,
    /// One of the codes that were shown when a factor was set up.
    #[serde(rename = "recovery_code")]
    RecoveryCode,
    /// A code by mail or SMS.
    #[serde(rename = "otp")]
    OneTimeCode,
}

impl SecondFactor {
    /// In the order in which a person is best asked for them.
    pub const ALL: [Self; 4] = [
        Self::WebAuthn,
        Self::Totp,
        Self::OneTimeCode,
        Self::RecoveryCode,
    ];

    /// The name in the HTTP API and the trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::WebAuthn => "webauthn",
            Self::RecoveryCode => "recovery_code",
            Self::OneTimeCode => "otp",
        }
    }

    /// How a session remembers it.
    pub const fn method(self) -> AuthenticationMethod {
        match self {
            Self::Totp => AuthenticationMethod::Totp,
            Self::WebAuthn => AuthenticationMethod::Passkey,
            Self::RecoveryCode => AuthenticationMethod::RecoveryCode,
            Self::OneTimeCode => AuthenticationMethod::OneTimeCode,
        }
    }
}

/// What an account has set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecondFactors {
    /// An authenticator app.
    pub totp: bool,
    /// At least one passkey.
    pub passkeys: bool,
    /// At least one recovery code that was not used.
    pub recovery_codes: bool,
}

impl SecondFactors {
    /// Whether a second factor is asked for. Recovery codes stand in for another factor; alone they are none.
    pub const fn is_enabled(self) -> bool {
        self.totp || self.passkeys
    }

    /// What is set up, as its owner is shown.
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
