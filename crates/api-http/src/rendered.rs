//! Documents that are the same for all clients: rendered once, cached by clients, and revalidated by their `ETag`
//! (RFC 9110 §8.8.3, §13.1.2).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header as _, HeaderValue, IfNoneMatch},
    web::Bytes,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::answer::JSON;

/// A JSON document with its `ETag`.
pub(crate) struct Rendered {
    body: Bytes,
    tag: EntityTag,
}

impl Rendered {
    /// # Errors
    /// When the document cannot be serialized.
    pub(crate) fn of(document: &impl Serialize) -> serde_json::Result<Self> {
        let body = serde_json::to_vec(document)?;
        let tag = URL_SAFE_NO_PAD.encode(Sha256::digest(&body));
        Ok(Self {
            body: body.into(),
            tag: EntityTag::new_strong(tag),
        })
    }

    /// The document, or 304 if the client has it already. `keep` is the value of `Cache-Control`.
    pub(crate) fn answer(&self, request: &HttpRequest, keep: &'static str) -> HttpResponse {
        let mut response = if self.is_had_by(request) {
            HttpResponse::NotModified().finish()
        } else {
            HttpResponse::Ok()
                .content_type(JSON)
                .body(self.body.clone())
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        if let Ok(tag) = HeaderValue::try_from(self.tag.to_string()) {
            headers.insert(header::ETAG, tag);
        }
        response
    }

    fn is_had_by(&self, request: &HttpRequest) -> bool {
        match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&self.tag)),
            // The parser also returns this value for an absent header.
            Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
            Err(_) => false,
        }
    }
}
