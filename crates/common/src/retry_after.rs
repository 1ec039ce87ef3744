//! The `Retry-After` header of other services.

use time::{Duration, OffsetDateTime};

/// Upper bound for a pause, since its length comes from outside.
pub const LONGEST: Duration = Duration::DAY;

/// The pause that a `Retry-After` header requests (RFC 9110 §10.2.3): whole seconds, or a date in any of the
/// three HTTP formats. At most [`LONGEST`]; `None` for a value that cannot be parsed or is not in the future.
pub fn pause(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that overflows also means a long pause.
        text.parse().map_or(LONGEST, Duration::seconds)
    } else {
        OffsetDateTime::from(httpdate::parse_http_date(text).ok()?) - now
    };
    asked.is_positive().then(|| asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    #[test]
    fn seconds_and_dates_are_kept_within_a_day() {
        let half_a_minute = Some(Duration::seconds(30));
        for (text, expected) in [
            ("120", Some(Duration::MINUTE * 2)),
            (" 120 ", Some(Duration::MINUTE * 2)),
            ("Tue, 24 Nov 2026 12:00:30 GMT", half_a_minute),
            ("Tuesday, 24-Nov-26 12:00:30 GMT", half_a_minute),
            ("Tue Nov 24 12:00:30 2026", half_a_minute),
            ("86401", Some(LONGEST)),
            ("99999999999999999999999", Some(LONGEST)),
            ("Tue, 24 Nov 2099 12:00:00 GMT", Some(LONGEST)),
        ] {
            assert_eq!(pause(text, NOW), expected, "{text}");
        }
        for nothing in [
            "",
            "0",
            "-5",
            "+5",
            "1.5",
            "1e9",
            "soon",
            "Tue, 24 Nov 2026 11:59:00 GMT",
            "Tue, 32 Nov 2026 12:00:00 GMT",
        ] {
            assert_eq!(pause(nothing, NOW), None, "{nothing}");
        }
    }
}
