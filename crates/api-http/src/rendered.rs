//! Documents that are the same for everybody: rendered once, kept by whoever asked, and asked after by
//! their tag (RFC 9110 §8.8.3, §13.1.2).

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header as _, HeaderValue, IfNoneMatch},
    web::Bytes,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::answer::JSON;

/// A JSON document with its tag.
pub(crate) struct Rendered {
    body: Bytes,
    tag: EntityTag,
}

impl Rendered {
    /// # Errors
    /// When the document is no JSON.
    pub(crate) fn of(document: &impl Serialize) -> serde_json::Result<Self> {
        let body = serde_json::to_vec(document)?;
        let tag = URL_SAFE_NO_PAD.encode(Sha256::digest(&body));
        Ok(Self {
            body: body.into(),
            tag: EntityTag::new_strong(tag),
        })
    }

    /// The document, or that the one they have is this one. `keep` says for how long they need not ask.
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
            // What an absent header parses to as well.
            Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
            Err(_) => false,
        }
    }
}
