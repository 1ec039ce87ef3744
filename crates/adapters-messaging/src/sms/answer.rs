//! The meaning of a gateway's HTTP status for a message.

use authentication_app::ports::DeliveryError;
use common::retry_after;
use time::OffsetDateTime;

/// - 2xx: accepted.
/// - Rate limit, overload, our credentials or our credit: not accepted, and neither would any other message be; retry.
///   A fault of ours is not the message's fault.
/// - Any other 5xx: unknown. Something failed in the gateway, or between it and a proxy in front of it, and the message
///   may have been sent before that.
/// - Anything else: the message cannot be sent.
pub(super) fn meaning(
    status: u16,
    retry_after: Option<&str>,
    now: OffsetDateTime,
) -> Result<(), DeliveryError> {
    match status {
        200..=299 => Ok(()),
        401 | 402 | 407 | 408 | 425 | 429 | 503 => Err(DeliveryError::Away {
            status: Some(status),
            retry_after: retry_after.and_then(|text| retry_after::pause(text, now)),
        }),
        500..=599 => Err(DeliveryError::Unknown),
        _ => Err(DeliveryError::Refused {
            status: Some(status),
        }),
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    #[test]
    fn a_status_says_whether_it_is_worth_another_try() {
        let of = |status| meaning(status, None, NOW);
        for taken in [200, 201, 202, 204] {
            assert_eq!(of(taken), Ok(()));
        }
        for later in [401, 402, 407, 408, 425, 429, 503] {
            let away = DeliveryError::Away {
                status: Some(later),
                retry_after: None,
            };
            assert_eq!(of(later), Err(away));
        }
        for unknown in [500, 502, 504, 520, 524, 599] {
            assert_eq!(of(unknown), Err(DeliveryError::Unknown));
        }
        for never in [301, 307, 400, 403, 404, 422, 600] {
            let refused = DeliveryError::Refused {
                status: Some(never),
            };
            assert_eq!(of(never), Err(refused));
        }
    }

    #[test]
    fn a_gateway_says_how_long_to_wait() {
        let date = "Tue, 24 Nov 2026 12:00:30 GMT";
        let away = DeliveryError::Away {
            status: Some(503),
            retry_after: Some(Duration::seconds(30)),
        };
        assert_eq!(meaning(503, Some(date), NOW), Err(away));
    }
}
