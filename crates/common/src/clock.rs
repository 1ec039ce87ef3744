//! Where "now" comes from, and the precision that time has here.

use time::{Duration, OffsetDateTime};

/// How far ahead of ours another node's clock may be. What says that it was made later than that counts for
/// nothing: it is not young, its time is unknown (ADR 0045).
pub const SKEW: Duration = Duration::seconds(60);

/// Whether something was made within the last `lifetime`, by a clock that may be [`SKEW`] ahead of ours.
pub fn is_within(made_at: OffsetDateTime, lifetime: Duration, now: OffsetDateTime) -> bool {
    now < made_at + lifetime && made_at <= now + SKEW
}

/// Whether something that lives for `lifetime` at the most, and ends at `until`, counts at `now`. The same rule
/// for what knows its end and not its beginning.
pub fn counts_until(until: OffsetDateTime, lifetime: Duration, now: OffsetDateTime) -> bool {
    now < until && until <= now + lifetime + SKEW
}

/// A source of the current time, so that every rule about time can be tested at its edge.
pub trait Clock: Send + Sync {
    /// The current time in UTC, cut to whole microseconds (what the stores keep, see [`to_micros`]).
    fn now(&self) -> OffsetDateTime;
}

/// Microseconds since the Unix epoch: the form in which every store keeps time.
///
/// An integer compares the same way on PostgreSQL and on SQLite, which text and `timestamptz` do not.
pub fn to_micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

/// The reverse of [`to_micros`]; a value outside the calendar (years ±9999) becomes the epoch.
pub fn from_micros(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Cuts a time to whole microseconds, so that what was stored and what was decided on are equal.
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
