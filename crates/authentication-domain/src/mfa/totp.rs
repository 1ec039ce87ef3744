//! Codes of an authenticator app (RFC 6238): the rules; the arithmetic is an adapter's.

use std::fmt;

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

/// The shared secret: 160 bits, as RFC 4226 §4 (R6) recommends.
pub struct TotpSecret(pub Zeroizing<[u8; 20]>);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

/// A time step: whole thirties of seconds since the epoch. Each is accepted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TotpStep(pub i64);

/// The numbers (RFC 6238 §5.2, OWASP ASVS 5.0 V6.5.5). Authenticator apps know no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotpRules;

impl TotpRules {
    /// How long one code counts.
    pub const STEP: Duration = Duration::seconds(30);
    /// Steps before and after the current one that count too, for clocks that are off.
    pub const SKEW: i64 = 1;
    /// How long a secret that was shown waits for its first code.
    pub const ENROLMENT: Duration = Duration::minutes(10);

    /// The steps whose codes count at `now`, the oldest first.
    pub fn steps_at(now: OffsetDateTime) -> impl Iterator<Item = TotpStep> {
        let TotpStep(last) = Self::last_step_at(now);
        (last - 2 * Self::SKEW..=last).map(TotpStep)
    }

    /// The latest step whose code can have been used by `now`.
    pub fn last_step_at(now: OffsetDateTime) -> TotpStep {
        let current = now.unix_timestamp().div_euclid(Self::STEP.whole_seconds());
        TotpStep(current + Self::SKEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_either_side_counts() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let steps = |seconds| TotpRules::steps_at(at(seconds)).collect::<Vec<_>>();
        assert_eq!(steps(59), [TotpStep(0), TotpStep(1), TotpStep(2)]);
        assert_eq!(steps(60), [TotpStep(1), TotpStep(2), TotpStep(3)]);
    }
}
