//! Work that does not stop half-way because a client hung up.

use std::future::Future;

use tracing::Instrument as _;

use crate::{Problem, ProblemCode};

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
    match actix_web::rt::spawn(work.in_current_span()).await {
        Ok(outcome) => outcome.map_err(Into::into),
        // The message of a panic stays with the panic hook: it may quote anything.
        Err(_) => Err(Problem::of(ProblemCode::InternalError)
            .caused_by("a use case panicked, or the process is stopping")),
    }
}
