//! The `OpenAPI` document, and a page that shows it. All files are part of the binary.
//!
//! The page calls its own origin. On the public listener that is the API. The management listener has no API, so
//! the page there is read-only.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, Bytes},
};
use utoipa_swagger_ui::{Config, serve};

use crate::{Problem, ProblemCode, answer, middleware::boundary::Listener, openapi_json};

/// Allows the page its own scripts and calls to its own origin; React writes inline styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'none'; \
    frame-ancestors 'none'";

/// Rendered once: the document never changes at run time, and takes a while to generate.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi_json().into());

pub(crate) async fn document() -> HttpResponse {
    HttpResponse::build(StatusCode::OK)
        .content_type(answer::JSON)
        .body(DOCUMENT.clone())
}

/// The page, with a `<base>` of `/docs/`: it refers to its files by relative URLs, which from `/docs` would resolve
/// to the root.
pub(crate) async fn page() -> Result<HttpResponse, Problem> {
    let (bytes, content_type) = asset("index.html", Listener::Management)?;
    let page =
        String::from_utf8_lossy(&bytes).replacen("<head>", "<head><base href=\"/docs/\">", 1);
    Ok(asset_response(page.into(), &content_type))
}

pub(crate) async fn file(
    request: HttpRequest,
    listener: web::ReqData<Listener>,
) -> Result<HttpResponse, Problem> {
    let name = request.match_info().get("file").unwrap_or_default();
    let (bytes, content_type) = asset(name, *listener)?;
    Ok(asset_response(bytes, &content_type))
}

fn asset(name: &str, listener: Listener) -> Result<(Bytes, String), Problem> {
    // Without "none" the page sends the document's address to a validator on the internet.
    let mut config = Config::new(["/openapi.json"]).validator_url("none");
    if listener == Listener::Management {
        config = config.supported_submit_methods::<_, String>([]);
    }
    let found = serve(name, Arc::new(config))
        .map_err(|error| Problem::of(ProblemCode::InternalError).caused_by(error.to_string()))?;
    let file = found.ok_or_else(|| Problem::of(ProblemCode::NotFound))?;
    Ok((file.bytes.into_owned().into(), file.content_type))
}

fn asset_response(bytes: Bytes, content_type: &str) -> HttpResponse {
    let charset = match content_type {
        text if text.starts_with("text/") => "; charset=utf-8",
        _ => "",
    };
    HttpResponse::build(StatusCode::OK)
        .content_type(format!("{content_type}{charset}"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .body(bytes)
}
