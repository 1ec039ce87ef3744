//! What a gateway's status means for a message.

use authentication_app::ports::DeliveryError;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc2822};

/// 2xx: taken. Too busy to look at it: not taken, try again. Something broke, at the gateway or between it and
/// a proxy before it: unknown, since it may have broken when the message was out. Anything else is no way to
/// send this message.
pub(super) fn meaning(
    status: u16,
    retry_after: Option<&str>,
    now: OffsetDateTime,
) -> Result<(), DeliveryError> {
    match status {
        200..=299 => Ok(()),
        408 | 425 | 429 | 503 => Err(DeliveryError::NotTaken {
            status: Some(status),
            retry_after: retry_after.and_then(|text| wait(text, now)),
        }),
        500..=599 => Err(DeliveryError::Unknown),
        _ => Err(DeliveryError::Refused {
            status: Some(status),
        }),
    }
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn wait(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    let seconds = text
        .parse::<u32>()
        .ok()
        .map(i64::from)
        .map(Duration::seconds);
    let until = || {
        OffsetDateTime::parse(text, &Rfc2822)
            .ok()
            .map(|at| at - now)
    };
    seconds.or_else(until).filter(|wait| wait.is_positive())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    #[test]
    fn a_status_says_whether_it_is_worth_another_try() {
        let of = |status| meaning(status, None, NOW);
        for taken in [200, 201, 202, 204] {
            assert_eq!(of(taken), Ok(()));
        }
        for later in [408, 425, 429, 503] {
            let not_taken = DeliveryError::NotTaken {
                status: Some(later),
                retry_after: None,
            };
            assert_eq!(of(later), Err(not_taken));
        }
        for unknown in [500, 502, 504, 520, 524, 599] {
            assert_eq!(of(unknown), Err(DeliveryError::Unknown));
        }
        for never in [301, 307, 400, 401, 403, 404, 422, 600] {
            let refused = DeliveryError::Refused {
                status: Some(never),
            };
            assert_eq!(of(never), Err(refused));
        }
    }

    #[test]
    fn a_gateway_says_how_long_to_wait_in_seconds_or_by_a_date() {
        assert_eq!(wait("120", NOW), Some(Duration::MINUTE * 2));
        let date = "Tue, 24 Nov 2026 12:00:30 GMT";
        assert_eq!(wait(date, NOW), Some(Duration::seconds(30)));
        for nothing in [
            "",
            "0",
            "-5",
            "soon",
            "1e9",
            "Tue, 24 Nov 2026 11:59:00 GMT",
        ] {
            assert_eq!(wait(nothing, NOW), None, "{nothing}");
        }
    }
}
