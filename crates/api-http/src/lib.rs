//! The HTTP interface: routes, request and response documents, problem documents, `OpenAPI`.
//!
//! A handler parses its input, calls one use case, and maps the result; it makes no business decision. One table
//! ([`routes`]) states for every route who may call it, how its calls are counted and which refusals it has. The
//! registered resources, the admission of each call and the `OpenAPI` document are derived from it.
//!
//! This crate depends on the use cases and must never depend on an adapter. What it needs besides use cases
//! (readiness, the development mailbox, trace propagation) is defined by the small traits of [`ports`], which the
//! composition root implements.
//!
//! ```text
//! request ─▶ boundary   request id, span, security headers, every refusal becomes a problem document
//!        ─▶ CORS
//!        ─▶ routing     unknown path 404, other method 405
//!        ─▶ admission   deadline, panics, bearer token, limits by address and account, query names
//!        ─▶ handler     body → command → use case → answer
//! ```

mod answer;
mod app;
mod config;
#[doc(hidden)]
pub mod for_benches;
mod ingress;
mod long_lived;
mod middleware;
mod openapi;
pub mod ports;
mod problem;
mod rendered;
mod root;
pub mod routes;
mod state;
#[cfg(test)]
mod test_support;
mod to_the_end;
mod v1;

pub use app::{Vitals, management_app, public_app, vitals_app};
pub use config::ApiConfig;
pub use ingress::{Authenticated, Guarded, RecentlyAuthenticated};
pub use long_lived::LongLived;
pub use openapi::{openapi, openapi_json};
pub use problem::{FieldError, Problem, ProblemCode};
pub use root::well_known::KEY_SET_MAX_AGE;
pub use state::{ApiState, Draining};
pub use v1::countries::COUNTRIES;
