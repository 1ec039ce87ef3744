//! Work that does not stop half-way because a client hung up.

use std::{future::Future, time::Duration};

use time::Duration as Wait;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::{Problem, ProblemCode};

/// A net below the deadlines of everything that a use case waits for (`docs/degraded-modes.md`): whatever goes
/// wrong there, no work stays for ever.
pub(crate) const LONGEST_WORK: Duration = Duration::from_mins(5);

/// Runs a use case that changes something to its end, whoever still waits for it.
///
/// actix drops a handler's future when its connection closes, and the deadline drops it too. Between a
/// commit and the caches being told there must be no such gap, so the work has a task of its own on the
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
        // The message of a panic stays with the panic hook: it may quote anything.
        Err(_) => Err(Problem::of(ProblemCode::InternalError)
            .caused_by("a use case panicked, or the process is stopping")),
    }
}
