//! `openapi`: prints the document generated from the routes, for clients and for `docs/openapi.json`.

use std::io::{self, Write as _};

use super::Failure;

pub(super) fn run() -> Result<(), Failure> {
    io::stdout().write_all(api_http::openapi_json().as_bytes())?;
    Ok(())
}
