//! Tolerates one trailing slash: `/me/` is `/me`. Two are not tolerated, and no other part of a path is rewritten.

use actix_web::{
    dev::{ServiceRequest, Url},
    http::uri::{PathAndQuery, Uri},
};

pub(super) fn trim(request: &mut ServiceRequest) {
    let Some(uri) = trimmed(request.uri()) else {
        return;
    };
    request.match_info_mut().set(Url::new(uri.clone()));
    request.head_mut().uri = uri;
}

fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    if path.is_empty() || path.ends_with('/') {
        return None;
    }
    let path_and_query = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_goes_and_the_query_stays() {
        let after = |uri: &'static str| trimmed(&Uri::from_static(uri)).map(|uri| uri.to_string());
        assert_eq!(after("/me/"), Some("/me".to_owned()));
        assert_eq!(after("/me/?limit=1"), Some("/me?limit=1".to_owned()));
        for as_it_is in ["/", "/me", "/me//", "//", "/me?q=/"] {
            assert_eq!(after(as_it_is), None, "{as_it_is}");
        }
    }
}
