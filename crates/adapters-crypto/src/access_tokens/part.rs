//! A token part: a JSON object in base64url.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

pub(super) fn encode<T: Serialize>(value: &T) -> Option<String> {
    let json = serde_json::to_vec(value).ok()?;
    Some(URL_SAFE_NO_PAD.encode(json))
}

/// Returns `None` for padding, stray bits, invalid UTF-8, repeated members, and values of the wrong type.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(text).ok()?;
    // Check UTF-8 first: serde does not check the encoding of claims that it skips.
    let json = str::from_utf8(&json).ok()?;
    // Serde would also fill a struct from an array, which is not a valid token part.
    if !json.starts_with('{') {
        return None;
    }
    serde_json::from_str(json).ok()
}
