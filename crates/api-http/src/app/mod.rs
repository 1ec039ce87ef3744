//! The two applications: that of the public listener, and that of the management listener.

mod vitals;

use std::sync::Arc;

use actix_web::{
    App, Error, HttpResponse, Resource,
    body::{BoxBody, MessageBody},
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    guard,
    middleware::{Condition, from_fn},
    web,
};

use crate::{
    ApiState, Problem, ProblemCode,
    middleware::{
        admission,
        boundary::{self, Listener},
        cors,
    },
    routes::{self, Presence, RouteSpec},
    state::State,
};
pub use vitals::{Vitals, vitals_app};

/// The application of the public listener, with all its middleware. Called once by every worker.
///
/// The limits of the listener (header size, time for the head of a request, keep-alive, connections) are set by the
/// server.
pub fn public_app(
    state: Arc<ApiState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    app_of(state, Listener::Public, |spec, state| match spec.presence {
        Presence::Public | Presence::Both => true,
        Presence::Pages => state.config.docs_on_public,
        Presence::Management => false,
        Presence::Mailbox => state.mailbox().is_some(),
    })
}

/// The application of the management listener: health, metrics, and the API page.
pub fn management_app(
    state: Arc<ApiState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    app_of(state, Listener::Management, |spec, _| match spec.presence {
        Presence::Both | Presence::Pages | Presence::Management => true,
        Presence::Public | Presence::Mailbox => false,
    })
}

fn app_of(
    state: Arc<ApiState>,
    listener: Listener,
    serves: fn(&RouteSpec, &ApiState) -> bool,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let specs: Vec<_> = routes::all()
        .iter()
        .filter(|spec| serves(spec, &state))
        .collect();
    let cors = Condition::new(
        !state.config.cors_origins.is_empty(),
        cors::allowlist(&state.config),
    );
    App::new()
        .app_data(State::from(state))
        .configure(|services| register(&specs, services))
        .default_service(web::to(not_found))
        .wrap(cors)
        .wrap(from_fn(move |request, next| {
            boundary::enter(listener, request, next)
        }))
}

fn register(specs: &[&'static RouteSpec], services: &mut web::ServiceConfig) {
    let mut paths: Vec<_> = specs.iter().map(|spec| spec.path).collect();
    paths.dedup();
    for path in paths {
        let methods: Vec<_> = specs.iter().copied().filter(|it| it.path == path).collect();
        services.service(resource(path, &methods));
    }
}

/// All methods of one path. Any other method is a 405 whose `Allow` header lists them.
fn resource(path: &'static str, methods: &[&'static RouteSpec]) -> Resource {
    let allow = allow_header(methods);
    let refuse = move || {
        let refusal = Problem::method_not_allowed(allow.clone());
        async { Err::<HttpResponse, _>(refusal) }
    };
    methods
        .iter()
        .copied()
        .map(|spec| {
            spec.route()
                .guard(guard::fn_guard(|it| spec.method.answers(&it.head().method)))
                .wrap(from_fn(move |request, next| {
                    admission::admit(spec, request, next)
                }))
        })
        .fold(web::resource(path), Resource::route)
        .default_service(web::to(refuse))
}

fn allow_header(methods: &[&RouteSpec]) -> String {
    let names: Vec<_> = methods.iter().map(|spec| spec.method.allowed()).collect();
    names.join(", ")
}

async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::of(ProblemCode::NotFound))
}

#[cfg(test)]
mod tests;
