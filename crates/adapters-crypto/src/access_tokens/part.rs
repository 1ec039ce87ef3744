//! A part of a token: a JSON object in base64url.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

pub(super) fn encode<T: Serialize>(value: &T) -> Option<String> {
    let json = serde_json::to_vec(value).ok()?;
    Some(URL_SAFE_NO_PAD.encode(json))
}

/// `None` for padding, stray bits, what is not UTF-8, members that are there twice, and values of another type.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(text).ok()?;
    // As text first: of claims that it passes over, serde does not look at the encoding.
    let json = str::from_utf8(&json).ok()?;
    // Serde would also fill a struct from an array, which no token is.
    if !json.starts_with('{') {
        return None;
    }
    serde_json::from_str(json).ok()
}
