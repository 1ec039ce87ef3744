//! Ids in paths.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use common::Id;

use crate::{Problem, ProblemCode};

/// Extracts `{id}` of the path. A malformed id is a 404, like an unknown one.
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

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use common::access::Session;

    use super::*;

    #[actix_web::test]
    async fn what_is_no_id_names_nothing() {
        for bad in ["me", "1", "", "[]", "%00", "../x"] {
            let request = TestRequest::default().param("id", bad).to_http_request();
            let refusal = PathId::<Session>::extract(&request).await.err();
            assert_eq!(
                refusal.map(|it| it.code()),
                Some(ProblemCode::NotFound),
                "{bad}"
            );
        }
        let id = "019a2b3c-4d5e-7f80-91a2-b3c4d5e6f708";
        let request = TestRequest::default().param("id", id).to_http_request();
        let found = PathId::<Session>::extract(&request).await.unwrap();
        assert_eq!(found.0.to_string(), id);
    }
}
