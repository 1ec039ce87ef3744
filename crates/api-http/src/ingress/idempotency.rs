//! `Idempotency-Key`: lets a client repeat a request safely.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use authentication_app::{IdempotentRequest, ports::IdempotencyKey};
use futures_util::future::LocalBoxFuture;
use garde::Validate;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{authenticated::session_of, json};
use crate::{FieldError, Problem};

const HEADER: &str = "Idempotency-Key";
const LONGEST_KEY: usize = 255;

/// Extracts a body, with its idempotency key if there is one.
pub(crate) struct RepeatableJson<T>(pub(crate) T, pub(crate) Option<IdempotentRequest>);

impl<T> FromRequest for RepeatableJson<T>
where
    T: DeserializeOwned + Validate<Context = ()> + 'static,
{
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let key = key_of(request);
        let body = json::read(request, payload);
        Box::pin(async move {
            let (key, body) = (key?, body.await?);
            let repeatable = key.map(|key| IdempotentRequest {
                key,
                body_digest: Sha256::digest(&body).into(),
            });
            Ok(Self(json::parse(&body)?, repeatable))
        })
    }
}

/// Whether the request has an idempotency key.
pub(super) fn has_idempotency_key(request: &HttpRequest) -> bool {
    request.headers().contains_key(HEADER)
}

/// The digest of route, principal (a session, or none) and key. The concatenation is unambiguous: the route
/// contains no NUL, and the key comes last.
fn key_of(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let mut sent = request.headers().get_all(HEADER);
    let Some(value) = sent.next() else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    let printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if sent.next().is_some() || !printable || !(1..=LONGEST_KEY).contains(&bytes.len()) {
        return Err(Problem::invalid_field(FieldError::new(
            HEADER,
            "invalid_format",
            "send one key of 1 to 255 printable ASCII characters",
        )));
    }
    let principal = session_of(request).map_or("anonymous".to_owned(), |id| id.to_string());
    let digest = Sha256::new()
        .chain_update(request.method().as_str())
        .chain_update(b"\0")
        .chain_update(request.path())
        .chain_update(b"\0")
        .chain_update(principal)
        .chain_update(b"\0")
        .chain_update(bytes)
        .finalize();
    Ok(Some(IdempotencyKey(digest.into())))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn key(path: &str, keys: &[&str]) -> Result<Option<IdempotencyKey>, u16> {
        let request = keys
            .iter()
            .fold(TestRequest::post().uri(path), |request, key| {
                request.append_header((HEADER, *key))
            })
            .to_http_request();
        key_of(&request).map_err(|problem| problem.code().status().as_u16())
    }

    #[test]
    fn a_key_counts_for_its_route_alone() {
        assert_eq!(key("/a", &[]), Ok(None));
        let one = key("/a", &["k1"]).unwrap();
        assert!(one.is_some());
        assert_eq!(key("/a", &["k1"]).unwrap(), one);
        assert_ne!(key("/b", &["k1"]).unwrap(), one);
        assert_ne!(key("/a", &["k2"]).unwrap(), one);
    }

    #[test]
    fn a_key_is_printable_ascii_of_a_bounded_length() {
        assert!(key("/a", &[&"k".repeat(255)]).is_ok());
        for bad in ["", "k\u{e9}", "a\tb", &"k".repeat(256)] {
            assert_eq!(key("/a", &[bad]), Err(422), "{bad:?}");
        }
        assert_eq!(key("/a", &["k1", "k2"]), Err(422));
    }
}
