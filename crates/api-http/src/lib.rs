//! The HTTP interface: routes, documents in and out, problem documents, `OpenAPI`.
//!
//! A handler parses, calls one use case, and maps what came of it; no rule of the business is decided
//! here. One table ([`routes`]) says of every route who may call it, how its calls are counted and what it
//! can refuse; the registered resources, the admission of each call and the `OpenAPI` document all follow from it.
//!
//! This crate knows the use cases and must never know an adapter: what it needs beside them (whether the
//! service is ready, the development mailbox, a trace to join) it asks for through the small traits of
//! [`ports`], which the composition root implements.
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
