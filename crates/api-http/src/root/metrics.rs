//! The metrics for Prometheus, on the management listener only.

use actix_web::{HttpResponse, http::StatusCode};

use crate::{Problem, ProblemCode, ports::Exposition, state::State};

pub(crate) async fn show(state: State) -> Result<HttpResponse, Problem> {
    let exposition = state
        .meter
        .exposition()
        .ok_or_else(|| Problem::of(ProblemCode::NotFound))?;
    Ok(shown(exposition))
}

pub(crate) fn shown(exposition: Exposition) -> HttpResponse {
    HttpResponse::build(StatusCode::OK)
        .content_type(exposition.media_type)
        .body(exposition.text)
}
