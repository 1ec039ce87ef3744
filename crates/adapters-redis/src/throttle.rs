//! Rate limiting across all nodes.
//!
//! The rule is the same as for the in-process counters. A window records how many calls fell into each sixtieth (part)
//! of its length. A call counts until its part lies entirely more than one window length in the past. So no span of the
//! window's length ever sees more calls than the quota; a call counts for the window's length and up to a sixtieth
//! longer; and of `n` simultaneous calls on a fresh window exactly `min(n, quota)` are allowed. A key stores sixty-one
//! small numbers at most, regardless of the quota.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::ports::{CacheError, Throttle, ThrottleOutcome, ThrottleRequest};
use common::clock::{self, Clock};
use deadpool_redis::redis::Script;
use time::Duration;

use crate::connection::RedisConnection;

const PARTS: i64 = 60;

/// Sliding-window counters in Redis. They use the server's time, so the clocks of the nodes need not agree.
pub struct RedisThrottle {
    redis: RedisConnection,
    count: Script,
    clock: Option<Arc<dyn Clock>>,
}

impl RedisThrottle {
    /// Counts by the server's time.
    pub fn new(redis: RedisConnection) -> Self {
        Self {
            redis,
            count: Script::new(include_str!("lua/count.lua")),
            clock: None,
        }
    }

    /// Counts by a given clock, for tests.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock: Some(clock),
            ..self
        }
    }
}

#[async_trait]
impl Throttle for RedisThrottle {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn count(
        &self,
        requests: &[ThrottleRequest],
    ) -> Result<Vec<ThrottleOutcome>, CacheError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.count.prepare_invoke();
        match &self.clock {
            Some(clock) => call.arg(clock::to_micros(clock.now()).div_euclid(1_000)),
            None => call.arg(""),
        };
        for request in requests {
            let width = part_width(request.quota.window);
            call.key(self.redis.keys().throttle(&request.key, width));
            call.arg(request.quota.calls).arg(width);
        }
        let answer: Vec<i64> = self.redis.run(&call).await?;
        let outcomes: Vec<ThrottleOutcome> = answer
            .chunks_exact(3)
            .filter_map(|outcome| match outcome {
                [allowed, remaining, reset_after] => Some(ThrottleOutcome {
                    allowed: *allowed == 1,
                    remaining: u32::try_from(*remaining).ok()?,
                    reset_after: Duration::milliseconds(*reset_after),
                }),
                _ => None,
            })
            .collect();
        if outcomes.len() == requests.len() {
            Ok(outcomes)
        } else {
            Err(CacheError)
        }
    }
}

/// The length of one part of a window in whole milliseconds, rounded up so that sixty parts cover the window.
fn part_width(window: Duration) -> i64 {
    let millis = i64::try_from(window.whole_milliseconds()).unwrap_or(i64::MAX);
    millis
        .div_euclid(PARTS)
        .saturating_add(i64::from(millis.rem_euclid(PARTS) != 0))
        .max(1)
}
