//! Ids in paths.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use common::Id;

use crate::{Problem, ProblemCode};

/// Extracts `{id}` of the path. What is no id names nothing, so it is a 404 like any other.
pub(crate) struct PathId<K>(pub(crate) Id<K>);

impl<K: 'static> FromRequest for PathId<K> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request
            .match_info()
            .get("id")
            .and_then(|id| id.parse().ok());
        ready(
            id.map(Self)
                .ok_or_else(|| Problem::of(ProblemCode::NotFound)),
        )
    }
}
