use actix_web::http::header::{HeaderName, HeaderValue};
use secrecy::SecretString;
use serde::Deserialize;

use super::*;

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read to see whether it can be read")]
struct Form {
    #[garde(length(chars, min = 1, max = 5))]
    name: String,
    #[garde(skip)]
    age: Option<u8>,
    #[garde(skip)]
    password: Option<SecretString>,
}

/// `field/code` of the only refusal, or `ok`.
fn outcome(body: &[u8]) -> String {
    match parse::<Form>(body) {
        Ok(_) => "ok".to_owned(),
        Err(problem) => {
            let [error] = problem.errors() else {
                panic!("{:?}", problem.errors())
            };
            let status = problem.code().status().as_u16();
            assert!(
                !error.message.contains("hunter2"),
                "a value is repeated: {error:?}"
            );
            format!("{status} {}/{}", error.field, error.code)
        }
    }
}

#[test]
fn an_object_that_holds_to_the_schema_is_taken() {
    assert_eq!(outcome(br#"{"name":"Ada"}"#), "ok");
    assert_eq!(outcome(b" \r\n\t{\"name\":\"Ada\",\"age\":null} \n"), "ok");
}

#[test]
fn what_the_parser_cannot_read_is_a_400_that_names_the_field() {
    for (body, expected) in [
        ("", "400 /empty_body"),
        ("  ", "400 /empty_body"),
        ("[]", "400 /invalid_json"),
        (r#"["Ada"]"#, "400 /invalid_json"),
        ("null", "400 /invalid_json"),
        ("\"hunter2\"", "400 /invalid_json"),
        ("\u{feff}{}", "400 /invalid_json"),
        ("{", "400 /invalid_json"),
        (r#"{"name":"Ada",}"#, "400 /invalid_json"),
        (r#"{"name":"Ada"} x"#, "400 /invalid_json"),
        (r#"{"name":"Ada"}{"name":"Ada"}"#, "400 /invalid_json"),
        (r#"{"name":"\ud800"}"#, "400 /invalid_json"),
        ("{\"name\":\"a\u{1}\"}", "400 /invalid_json"),
        (r#"{"age":1}"#, "400 name/missing_field"),
        (r#"{"name":"Ada","name":"Bob"}"#, "400 name/duplicate_field"),
        (
            r#"{"name":"Ada","role":"hunter2"}"#,
            "400 role/unknown_field",
        ),
        (r#"{"name":"Ada","<b>hunter2":1}"#, "400 /unknown_field"),
        (r#"{"name":7}"#, "400 name/wrong_type"),
        (r#"{"name":["hunter2"]}"#, "400 name/wrong_type"),
        (r#"{"name":{"a":"hunter2"}}"#, "400 name/wrong_type"),
        (r#"{"name":null}"#, "400 name/wrong_type"),
        (r#"{"name":"Ada","age":"hunter2"}"#, "400 age/wrong_type"),
        (r#"{"name":"Ada","age":-1}"#, "400 age/wrong_type"),
        (r#"{"name":"Ada","age":256}"#, "400 age/wrong_type"),
        (r#"{"name":"Ada","age":1.0}"#, "400 age/wrong_type"),
        (r#"{"name":"Ada","password":7}"#, "400 password/wrong_type"),
    ] {
        assert_eq!(outcome(body.as_bytes()), expected, "{body}");
    }
    assert_eq!(outcome(b"{\"name\":\"\xff\"}"), "400 /invalid_utf8");
}

#[test]
fn deep_and_long_input_ends_early() {
    let deep = format!(r#"{{"name":{}"#, "[".repeat(100_000));
    assert_eq!(outcome(deep.as_bytes()), "400 name/wrong_type");
    let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    assert_eq!(outcome(deep.as_bytes()), "400 x/unknown_field");
    let long = format!(r#"{{"name":"Ada","age":{}}}"#, "9".repeat(100_000));
    assert!(outcome(long.as_bytes()).starts_with("400 "));
}

#[test]
fn what_breaks_a_rule_is_a_422() {
    assert_eq!(outcome(br#"{"name":""}"#), "422 name/too_short");
    assert_eq!(outcome(br#"{"name":"hunter2"}"#), "422 name/too_long");
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn status(pairs: &[(&'static str, &'static str)]) -> u16 {
    match check_headers(&headers(pairs), 100) {
        Ok(()) => 200,
        Err(problem) => problem.code().status().as_u16(),
    }
}

#[test]
fn only_plain_json_of_a_bounded_size_is_read() {
    for json in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json; charset=\"utf-8\"",
        "application/json; charset=utf8",
        "application/json; charset=\"UTF8\"",
        "application/json;",
        "application/json; charset=utf-8;",
        "application/json ; v=1",
        "application/json; profile=x; charset=utf-8",
    ] {
        assert_eq!(status(&[("content-type", json)]), 200, "{json}");
    }
    for other in [
        "",
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=",
        "application/json; charset=iso-8859-1; charset=utf-8",
        "application/json; charset",
        "application/json, text/plain",
    ] {
        assert_eq!(status(&[("content-type", other)]), 415, "{other}");
    }
    assert_eq!(status(&[]), 415);
    let json = ("content-type", "application/json");
    assert_eq!(status(&[json, ("content-encoding", "gzip")]), 415);
    assert_eq!(status(&[json, ("content-encoding", "identity")]), 200);
    assert_eq!(status(&[json, ("content-length", "100")]), 200);
    assert_eq!(status(&[json, ("content-length", "101")]), 413);
}
