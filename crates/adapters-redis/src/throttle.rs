//! Counting calls for all nodes together.
//!
//! The same rule as the counters of a single process have. A window remembers how many calls fell into each
//! sixtieth of its length; a call counts until its part lies wholly more than one length back. So no span of
//! the window's length ever sees more calls than the quota, a call weighs for the window and for up to a
//! sixtieth of it longer, and of `n` calls at one moment on a fresh window exactly `min(n, quota)` are
//! allowed. A key takes sixty-one small numbers at most, whatever the quota.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::ports::{CacheError, Throttle, ThrottleOutcome, ThrottleRequest};
use common::clock::{self, Clock};
use deadpool_redis::redis::Script;
use time::Duration;

use crate::connection::RedisConnection;

const PARTS: i64 = 60;

/// Sliding-window counters in Redis, by the time of the server: nodes need not agree on theirs.
pub struct RedisThrottle {
    redis: RedisConnection,
    count: Script,
    clock: Option<Arc<dyn Clock>>,
}

impl RedisThrottle {
    /// On the server's time.
    pub fn new(redis: RedisConnection) -> Self {
        Self {
            redis,
            count: Script::new(include_str!("lua/count.lua")),
            clock: None,
        }
    }

    /// On a time that is set, for tests.
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

/// How long one part of a window is, in whole milliseconds, rounded up: sixty of them cover the window.
fn part_width(window: Duration) -> i64 {
    let millis = i64::try_from(window.whole_milliseconds()).unwrap_or(i64::MAX);
    millis
        .div_euclid(PARTS)
        .saturating_add(i64::from(millis.rem_euclid(PARTS) != 0))
        .max(1)
}
