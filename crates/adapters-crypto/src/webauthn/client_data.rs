//! Client data: what the browser states about the calling page (Level 3 §5.8.1).

use authentication_app::ports::CeremonyFault;
use serde::Deserialize;

/// The values of the request to the browser.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// `webauthn.create` or `webauthn.get`.
    pub(super) kind: &'static str,
    /// Base64url without padding, as it was sent.
    pub(super) challenge: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<String>,
}

/// "UTF-8 decode" (Encoding Standard §6) removes this prefix; hash and signature still cover it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The client data without its byte-order mark; `None` if it has none.
pub(super) fn after_mark(json: &[u8]) -> Option<&[u8]> {
    json.strip_prefix(BYTE_ORDER_MARK)
}

/// Steps 5 to 10 of registration, 10 to 14 of sign-in. All comparisons are exact.
pub(super) fn check(
    json: &[u8],
    asked: Asked<'_>,
    origins: &[String],
) -> Result<(), CeremonyFault> {
    // Check UTF-8 first: serde does not check the encoding of members that it skips.
    let json = after_mark(json).unwrap_or(json);
    let json = std::str::from_utf8(json).map_err(|_| CeremonyFault::Malformed)?;
    let data: ClientData = serde_json::from_str(json).map_err(|_| CeremonyFault::Malformed)?;
    if data.r#type != asked.kind {
        return Err(CeremonyFault::WrongType);
    }
    if data.challenge != asked.challenge {
        return Err(CeremonyFault::WrongChallenge);
    }
    if !origins.contains(&data.origin) {
        return Err(CeremonyFault::WrongOrigin);
    }
    if data.cross_origin == Some(true) || data.top_origin.is_some() {
        return Err(CeremonyFault::CrossOrigin);
    }
    Ok(())
}
