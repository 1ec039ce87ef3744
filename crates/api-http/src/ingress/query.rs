//! Query strings: only parameters of the route, each at most once.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};

use crate::{FieldError, Problem};

/// The decoded parameters. Their names were checked at admission.
pub(crate) struct QueryParams(Vec<(String, String)>);

impl QueryParams {
    fn parse(query: &str) -> Result<Self, Problem> {
        if query.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let unreadable = || malformed("", "invalid_query", "the query string can't be read");
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query)
            .map_err(|_| unreadable())?
            .into_inner();
        // The decoder inserts the replacement character for bytes that are not UTF-8.
        let garbled = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
        if pairs
            .iter()
            .any(|(name, value)| garbled(name) || garbled(value))
        {
            return Err(unreadable());
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter, if it was sent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(sent, _)| sent == name)
            .map(|(_, value)| value.as_str())
    }
}

impl FromRequest for QueryParams {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

/// Refuses unknown and duplicate parameters.
pub(crate) fn check_names(query: &str, known: &[&'static str]) -> Result<(), Problem> {
    if query.is_empty() {
        return Ok(());
    }
    let params = QueryParams::parse(query)?;
    let mut seen = Vec::with_capacity(known.len());
    for (name, _) in &params.0 {
        let Some(known) = known.iter().find(|known| *known == name) else {
            return Err(malformed(
                "",
                "unknown_parameter",
                "the query string has an unknown parameter",
            ));
        };
        if seen.contains(known) {
            return Err(malformed(
                known,
                "duplicate_parameter",
                "this parameter appears more than once",
            ));
        }
        seen.push(*known);
    }
    Ok(())
}

fn malformed(field: &'static str, code: &'static str, message: &'static str) -> Problem {
    Problem::malformed(FieldError::new(field, code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(query: &str) -> String {
        match check_names(query, &["limit", "cursor"]) {
            Ok(()) => "ok".to_owned(),
            Err(problem) => {
                let error = &problem.errors()[0];
                assert_eq!(problem.code().status().as_u16(), 400);
                format!("{}/{}", error.field, error.code)
            }
        }
    }

    #[test]
    fn only_known_parameters_pass_and_each_once() {
        for good in ["", "limit=1", "cursor=x&limit=2", "limit=", "limit"] {
            assert_eq!(outcome(good), "ok", "{good}");
        }
        assert_eq!(outcome("limit=1&limit=2"), "limit/duplicate_parameter");
        assert_eq!(outcome("limit=1&%6cimit=2"), "limit/duplicate_parameter");
        assert_eq!(outcome("page=1"), "/unknown_parameter");
        assert_eq!(outcome("Limit=1"), "/unknown_parameter");
        assert_eq!(outcome("limit[]=1"), "/unknown_parameter");
        assert_eq!(outcome("cursor=%ff"), "/invalid_query");
    }

    #[test]
    fn a_value_is_decoded_once() {
        let params = QueryParams::parse("q=%2525+a").unwrap();
        assert_eq!(params.get("q"), Some("%25 a"));
        assert_eq!(params.get("limit"), None);
    }
}
