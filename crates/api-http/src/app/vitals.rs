//! The management interface of a node without an API: health and metrics.

use std::sync::Arc;

use actix_web::{
    App, Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    web,
};

use crate::{
    Draining,
    ports::{HttpMeter, ReadinessProbe},
    root::{health, metrics},
};

/// The dependencies of that interface.
#[derive(Clone)]
pub struct Vitals {
    /// For `/health/ready`.
    pub readiness: Arc<dyn ReadinessProbe>,
    /// Set when shutdown begins.
    pub draining: Draining,
    /// For `/metrics`.
    pub meter: Arc<dyn HttpMeter>,
}

/// The application of that management listener. It has no client requests to rate-limit, trace or measure.
pub fn vitals_app(
    vitals: Vitals,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(web::Data::new(vitals))
        .route("/health/live", web::get().to(health::live))
        .route("/health/ready", web::get().to(ready))
        .route("/metrics", web::get().to(show))
}

async fn ready(vitals: web::Data<Vitals>) -> HttpResponse {
    health::told_by(vitals.readiness.as_ref(), &vitals.draining).await
}

async fn show(vitals: web::Data<Vitals>) -> HttpResponse {
    match vitals.meter.exposition() {
        Some(exposition) => metrics::shown(exposition),
        None => HttpResponse::NotFound().finish(),
    }
}
