//! Input: from untrusted bytes to values that use cases accept.
//!
//! Each kind of input has one parser. Input that cannot be parsed is a 400, and input that breaks a rule is a 422.
//! The text of neither repeats what the client sent.

mod authenticated;
pub(crate) mod client;
mod context;
mod fields;
mod idempotency;
mod json;
mod paging;
mod path_id;
mod provider;
pub(crate) mod query;
pub(crate) mod rate_limit;
mod repeater;
mod request_id;

pub use authenticated::{Authenticated, Guarded, RecentlyAuthenticated};
pub(crate) use authenticated::{authenticate, demand_recent};
pub(crate) use context::Context;
pub(crate) use fields::{
    CodeMethod, Refusals, country_of, identifier_of, one_time_code, opaque_token, plain_password,
    second_proof,
};
pub(crate) use idempotency::RepeatableJson;
pub(crate) use json::{JsonBody, parse};
pub(crate) use paging::{cursor_of, page_of_sessions};
pub(crate) use path_id::PathId;
pub(crate) use provider::AtProvider;
pub(crate) use query::QueryParams;
pub(crate) use rate_limit::SubjectLimit;
pub(crate) use repeater::{RecentRepeater, Repeater, authenticate_repeater};
pub(crate) use request_id::{request_id_of, take_or_mint};
