//! The clock, and the precision of stored times.

use time::{Duration, OffsetDateTime};

/// How far another node's clock may run ahead of this one. A time further in the future is treated as
/// unknown: what it belongs to is not considered recent (ADR 0045).
pub const SKEW: Duration = Duration::seconds(60);

/// Whether something was created within the last `lifetime`, by a clock that may run ahead by [`SKEW`].
pub fn is_within(made_at: OffsetDateTime, lifetime: Duration, now: OffsetDateTime) -> bool {
    now < made_at + lifetime && made_at <= now + SKEW
}

/// Whether something that expires at `until` and lives for at most `lifetime` is still valid at `now`. The
/// same rule as [`is_within`], for values that record their end instead of their beginning.
pub fn counts_until(until: OffsetDateTime, lifetime: Duration, now: OffsetDateTime) -> bool {
    now < until && until <= now + lifetime + SKEW
}

/// A source of the current time. Tests replace it to check time rules at their boundaries.
pub trait Clock: Send + Sync {
    /// The current time in UTC, truncated to microseconds, the precision of the stores (see [`to_micros`]).
    fn now(&self) -> OffsetDateTime;
}

/// Microseconds since the Unix epoch: the form in which every store records time.
///
/// Integers compare the same way in PostgreSQL and SQLite; text and `timestamptz` do not.
pub fn to_micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

/// The inverse of [`to_micros`]. A value outside the calendar (years ±9999) becomes the epoch.
pub fn from_micros(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Truncates a time to microseconds, so that a stored time equals the one that a decision was based on.
pub fn truncate_to_micros(at: OffsetDateTime) -> OffsetDateTime {
    from_micros(to_micros(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_time_survives_the_store_to_the_microsecond() {
        let at = datetime!(2026-11-22 14:43:05.123456789 UTC);
        assert_eq!(
            from_micros(to_micros(at)),
            datetime!(2026-11-22 14:43:05.123456 UTC)
        );
        assert_eq!(truncate_to_micros(at), from_micros(to_micros(at)));
    }

    #[test]
    fn what_was_made_in_the_future_is_not_young() {
        let (now, lifetime) = (datetime!(2026-11-22 12:00 UTC), Duration::minutes(10));
        for (seconds, counts) in [
            (-601, false),
            (-600, false),
            (-599, true),
            (0, true),
            (60, true),
            (61, false),
            (3_600, false),
            (86_400, false),
        ] {
            let made_at = now + Duration::seconds(seconds);
            assert_eq!(is_within(made_at, lifetime, now), counts, "{seconds}");
            let until = made_at + lifetime;
            assert_eq!(counts_until(until, lifetime, now), counts, "{seconds}");
        }
    }

    #[test]
    fn a_value_outside_the_calendar_is_the_epoch_and_not_a_panic() {
        assert_eq!(from_micros(i64::MAX), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(from_micros(i64::MIN), OffsetDateTime::UNIX_EPOCH);
    }
}
