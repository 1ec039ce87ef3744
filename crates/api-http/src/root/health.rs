//! Liveness and readiness.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, RETRY_AFTER},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Draining, answer,
    ports::{DependencyState, DependencyStatus, ReadinessProbe},
    state::State,
};

/// The process is alive.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Liveness {
    /// Always `alive`.
    #[schema(value_type = String, example = "alive")]
    status: &'static str,
}

/// Whether this node should get requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReadinessStatus {
    /// Everything is up.
    Ready,
    /// Something that the service can work around is not.
    Degraded,
    /// Something that the service cannot do without is down.
    NotReady,
    /// Shutdown has begun; what is in flight is finished.
    Draining,
}

/// Whether this node should get requests, and the state of each dependency.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Readiness {
    status: ReadinessStatus,
    dependencies: Vec<DependencyState>,
}

/// Is the process alive?
///
/// Checks no dependencies and isn't rate limited. Restart the process if this doesn't answer.
#[utoipa::path(get, path = "/health/live", operation_id = "live", tag = "operation",
    responses((status = 200, description = "The process is alive.", body = Liveness)))]
pub(crate) async fn live() -> HttpResponse {
    answer::bare(StatusCode::OK, &Liveness { status: "alive" })
}

/// Is this node ready for requests?
///
/// Lists each dependency with its state and the causes. 503 if a required one is down, and from the start of
/// shutdown.
#[utoipa::path(get, path = "/health/ready", operation_id = "ready", tag = "operation",
    responses(
        (status = 200, description = "Yes.", body = Readiness),
        (status = 503, description = "No.", body = Readiness),
    ))]
pub(crate) async fn ready(state: State) -> HttpResponse {
    told_by(state.readiness.as_ref(), &state.draining).await
}

/// Can this node serve requests if no other node can?
///
/// The same document as `/health/ready`. 200 even while a required dependency is down: cached sessions, public
/// keys and countries are still served, and everything else is answered with 503 at once. 503 from the start of
/// shutdown.
#[utoipa::path(get, path = "/health/serving", operation_id = "serving", tag = "operation",
    responses(
        (status = 200, description = "Yes.", body = Readiness),
        (status = 503, description = "No.", body = Readiness),
    ))]
pub(crate) async fn serving(state: State) -> HttpResponse {
    let dependencies = state.readiness.check().await;
    let status = match judge(state.draining.has_begun(), &dependencies) {
        ReadinessStatus::NotReady => ReadinessStatus::Degraded,
        status => status,
    };
    shown(status, dependencies)
}

pub(crate) async fn told_by(readiness: &dyn ReadinessProbe, draining: &Draining) -> HttpResponse {
    let dependencies = readiness.check().await;
    let status = judge(draining.has_begun(), &dependencies);
    shown(status, dependencies)
}

fn shown(status: ReadinessStatus, dependencies: Vec<DependencyState>) -> HttpResponse {
    let document = Readiness {
        status,
        dependencies,
    };
    match status {
        ReadinessStatus::Ready | ReadinessStatus::Degraded => {
            answer::bare(StatusCode::OK, &document)
        }
        ReadinessStatus::NotReady | ReadinessStatus::Draining => {
            let mut response = answer::bare(StatusCode::SERVICE_UNAVAILABLE, &document);
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, soon);
            response
        }
    }
}

fn judge(draining: bool, dependencies: &[DependencyState]) -> ReadinessStatus {
    let is_lost = |it: &DependencyState| it.required && it.state == DependencyStatus::Down;
    if draining {
        ReadinessStatus::Draining
    } else if dependencies.iter().any(is_lost) {
        ReadinessStatus::NotReady
    } else if dependencies
        .iter()
        .any(|it| it.state != DependencyStatus::Up)
    {
        ReadinessStatus::Degraded
    } else {
        ReadinessStatus::Ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Cause;

    #[test]
    fn only_what_is_required_closes_the_door() {
        let dependency =
            |state, required| DependencyState::up("x", required).worse(state, Cause::Unreachable);
        let up = DependencyState::up("x", true);
        let optional = dependency(DependencyStatus::Down, false);
        let slow = dependency(DependencyStatus::Degraded, true);
        let lost = dependency(DependencyStatus::Down, true);
        assert_eq!(
            judge(false, std::slice::from_ref(&up)),
            ReadinessStatus::Ready
        );
        assert_eq!(
            judge(false, &[up.clone(), optional]),
            ReadinessStatus::Degraded
        );
        assert_eq!(judge(false, &[slow]), ReadinessStatus::Degraded);
        assert_eq!(judge(false, &[up.clone(), lost]), ReadinessStatus::NotReady);
        assert_eq!(judge(true, &[up]), ReadinessStatus::Draining);
    }
}
