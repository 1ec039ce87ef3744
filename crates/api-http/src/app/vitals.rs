//! What a node shows that serves no API: whether it is well, and what it did.

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

/// What such a node is asked for.
#[derive(Clone)]
pub struct Vitals {
    /// For `/health/ready`.
    pub readiness: Arc<dyn ReadinessProbe>,
    /// Turned on when shutdown begins.
    pub draining: Draining,
    /// For `/metrics`.
    pub meter: Arc<dyn HttpMeter>,
}

/// The application of its management listener. It knows no requests of people, so there is nothing to limit, to
/// link or to count.
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
