//! Authenticator app codes (RFC 6238): the rules. An adapter computes the codes.

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

/// A time step: the number of whole 30-second periods since the Unix epoch. Each step is accepted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TotpStep(pub i64);

/// Parameters of TOTP (RFC 6238 §5.2, OWASP ASVS 5.0 V6.5.5). Many authenticator apps support no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotpRules;

impl TotpRules {
    /// Length of a time step.
    pub const STEP: Duration = Duration::seconds(30);
    /// Accepted steps before and after the current one, to tolerate clock drift.
    pub const SKEW: i64 = 1;
    /// How long an enrolment waits for the first code of a displayed secret.
    pub const ENROLMENT: Duration = Duration::minutes(10);

    /// The steps whose codes are accepted at `now`, oldest first.
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
