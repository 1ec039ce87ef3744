//! Middleware: what happens to every request before its handler, and to every answer after it.

pub(crate) mod admission;
pub(crate) mod boundary;
pub(crate) mod cors;
mod metering;
mod security_headers;
mod trailing_slash;
