//! Second factors: which an account has, which may be requested, and when a sign-in is complete.
//!
//! NIST SP 800-63B-4 §2.2, OWASP ASVS 5.0 V6.3.3 and V6.3.4: an account with a second factor must use it on
//! every way to sign in.

mod factor;
mod policy;
mod recovery_code;
mod totp;

pub use factor::{SecondFactor, SecondFactors};
pub use policy::{Begun, NextStep, SecondFactorRules};
pub use recovery_code::{RecoveryCode, RecoveryCodeDigest};
pub use totp::{TotpRules, TotpSecret, TotpStep};
