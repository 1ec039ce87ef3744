//! Where "now" comes from, and the precision that time has here.

use time::OffsetDateTime;

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
    fn a_value_outside_the_calendar_is_the_epoch_and_not_a_panic() {
        assert_eq!(from_micros(i64::MAX), OffsetDateTime::UNIX_EPOCH);
        assert_eq!(from_micros(i64::MIN), OffsetDateTime::UNIX_EPOCH);
    }
}
