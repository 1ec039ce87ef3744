//! Measures and evaluates pairs of requests.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::cases::Case;
use crate::{
    Result,
    http::Connection,
    random::Dice,
    statistics::{MedianSpan, median, millis},
};

/// Pause between two requests. Background work of the service (messages, events) is finished by then, so that
/// the next request does not wait for it, which would hide a difference.
const SETTLE: Duration = Duration::from_millis(4);

/// Two requests that differ only in the class of their identifier.
#[derive(Clone)]
pub(super) struct Pair {
    /// Names a known identifier in the state of the case.
    pub(super) known: Vec<u8>,
    /// Names an unknown identifier.
    pub(super) unknown: Vec<u8>,
}

/// The bound for the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// 2 % of the response time, but at least 0.5 ms and at most 1 ms.
    Hash,
    /// 50 µs.
    NoHash,
}

impl Bound {
    fn of(self, answer_ms: f64) -> f64 {
        match self {
            Self::Hash => (answer_ms * 0.02).clamp(0.5, 1.0),
            Self::NoHash => 0.05,
        }
    }
}

/// The expected result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expected {
    NoDifference,
    /// A control: a protocol that does not detect this difference detects nothing.
    Difference,
}

/// The result of a case. Times are in milliseconds.
#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) pairs: usize,
    pub(super) known: f64,
    pub(super) unknown: f64,
    pub(super) difference: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) bound: f64,
    pub(super) passes: bool,
    pub(super) expected: Expected,
}

impl Finding {
    /// A control must show the difference itself. An interval that is merely too wide does not count.
    pub(super) fn is_as_expected(&self) -> bool {
        match self.expected {
            Expected::NoDifference => self.passes,
            Expected::Difference => !self.passes && self.low > 0.0,
        }
    }
}

pub(super) fn measure(
    address: SocketAddr,
    case: &Case,
    pairs: &[Pair],
    dice: &mut Dice,
) -> Result<Finding> {
    let mut connection = Connection::open(address)?;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for pair in pairs {
        let known_first = dice.coin();
        let mut ask = |is_known: bool| -> Result<f64> {
            let request = if is_known { &pair.known } else { &pair.unknown };
            let longer_by = if is_known {
                case.known_longer_by
            } else {
                Duration::ZERO
            };
            settle();
            spin(longer_by);
            let answer = connection.send(request)?.expect(case.status)?;
            Ok(millis(answer.took + longer_by))
        };
        let (first, second) = (ask(known_first)?, ask(!known_first)?);
        let (of_known, of_unknown) = if known_first {
            (first, second)
        } else {
            (second, first)
        };
        known.push(of_known);
        unknown.push(of_unknown);
    }
    let differences: Vec<_> = known.iter().zip(&unknown).map(|(a, b)| a - b).collect();
    let span = MedianSpan::of(&differences, dice);
    let unknown_ms = median(&mut unknown);
    let bound = case.bound.of(unknown_ms);
    Ok(Finding {
        name: case.name,
        pairs: pairs.len(),
        known: median(&mut known),
        unknown: unknown_ms,
        difference: span.median,
        low: span.low,
        high: span.high,
        bound,
        passes: span.is_within(bound),
        expected: case.expected,
    })
}

/// Leaves the cores to the service for a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing else is to happen on this thread"
)]
fn settle() {
    thread::sleep(SETTLE);
}

/// Busy-waits, like a service that does extra work for one of the two classes.
fn spin(duration: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < duration {
        std::hint::spin_loop();
    }
}
