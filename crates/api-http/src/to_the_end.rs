//! Runs work to completion, even if its client disconnects.

use std::{future::Future, time::Duration};

use time::Duration as Wait;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::{Problem, ProblemCode};

/// A fallback below the deadlines of everything that a use case waits for (`docs/degraded-modes.md`), so that no
/// work stays forever.
pub(crate) const LONGEST_WORK: Duration = Duration::from_mins(5);

/// Runs a use case that changes something to completion, even if the result is no longer awaited.
///
/// actix drops a handler's future when its connection closes, and so does the deadline. The work must not be
/// interrupted between a commit and the invalidation of the caches. Therefore it runs in a separate task on the
/// same thread, and the handler only waits for it.
pub(crate) async fn to_the_end<T, E>(
    work: impl Future<Output = Result<T, E>> + 'static,
) -> Result<T, Problem>
where
    T: 'static,
    E: Into<Problem> + 'static,
{
    match actix_web::rt::spawn(timeout(LONGEST_WORK, work.in_current_span())).await {
        Ok(Ok(outcome)) => outcome.map_err(Into::into),
        Ok(Err(_)) => Err(Problem::of(ProblemCode::DeadlineExceeded).retry_after(Wait::SECOND)),
        // The panic's message is left to the panic hook, because it may contain any data.
        Err(_) => Err(Problem::of(ProblemCode::InternalError)
            .caused_by("a use case panicked, or the process is stopping")),
    }
}
