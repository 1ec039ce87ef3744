//! Which requests reach a handler.

use super::*;

#[actix_web::test]
async fn an_unknown_method_is_told_the_known_ones() {
    let test = TestState::new().await;
    for (path, allow) in [
        ("/api/v1/me", "GET, HEAD, PATCH"),
        ("/api/v1/auth/login", "POST"),
        ("/api/v1/me/sessions", "GET, HEAD, DELETE"),
        ("/health/live", "GET, HEAD"),
    ] {
        for method in ["PUT", "TRACE", "OPTIONS", "BREW"] {
            let method = HttpMethod::from_bytes(method.as_bytes()).unwrap();
            let answer = ask(&test, TestRequest::with_uri(path).method(method)).await;
            answer.assert_problem(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), allow);
        }
    }
    let overridden = TestRequest::post()
        .uri("/api/v1/me")
        .insert_header(("x-http-method-override", "PATCH"));
    ask(&test, overridden)
        .await
        .assert_problem(405, "method_not_allowed");
}

#[actix_web::test]
async fn a_trailing_slash_is_tolerated_and_no_other_spelling() {
    let test = TestState::new().await;
    assert_eq!(ask(&test, get("/health/live/")).await.status, 200);
    let head = TestRequest::with_uri("/health/live").method(HttpMethod::HEAD);
    assert_eq!(ask(&test, head).await.status, 200);
    for other in [
        "/health/live//",
        "//health/live",
        "/Health/live",
        "/health/%256cive",
        "/health/live/.",
    ] {
        let answer = ask(&test, get(other)).await;
        answer.assert_problem(404, "not_found");
    }
}

#[actix_web::test]
async fn who_brings_no_token_is_told_how_to() {
    let test = TestState::new().await;
    for spec in routes::all() {
        if spec.access != routes::Access::SignedIn {
            continue;
        }
        let request = || {
            TestRequest::with_uri(spec.path)
                .method(spec.method.as_http())
                .peer_addr("192.0.2.1:1".parse().unwrap())
        };
        // The token is checked before the body, the id in the path and the query.
        let answer = ask(&test, request()).await;
        answer.assert_problem(401, "unauthenticated");
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer realm="fashionistar-auth""#
        );
        let garbage = request().insert_header(("authorization", "Bearer e30.e30.e30"));
        let answer = ask(&test, garbage).await;
        answer.assert_problem(401, "invalid_token");
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer realm="fashionistar-auth", error="invalid_token""#
        );
    }
}

#[actix_web::test]
async fn a_token_counts_in_the_header_alone() {
    let test = TestState::new().await;
    let answer = ask(&test, get("/api/v1/me?access_token=e30.e30.e30")).await;
    answer.assert_problem(401, "unauthenticated");
}

#[actix_web::test]
async fn a_body_is_bounded_whether_or_not_it_says_so() {
    let test = TestState::new().await;
    let long = format!(r#"{{"identifier":"{}"}}"#, "a".repeat(20_000));
    let request = TestRequest::post()
        .uri("/api/v1/auth/login")
        .insert_header(("content-type", "application/json"))
        .set_payload(long);
    ask(&test, request)
        .await
        .assert_problem(413, "payload_too_large");
}

#[actix_web::test]
async fn unknown_and_doubled_query_parameters_are_refused() {
    let test = TestState::new().await;
    for path in [
        "/api/v1/countries?page=2",
        "/api/v1/countries?q=a&q=b",
        "/api/v1/countries?q=%ff",
    ] {
        let answer = ask(&test, get(path)).await;
        answer.assert_problem(400, "malformed_request");
    }
    let login = post("/api/v1/auth/login?password=x", &json!({}));
    ask(&test, login)
        .await
        .assert_problem(400, "malformed_request");
    assert_eq!(ask(&test, get("/health/live?probe=7")).await.status, 200);
}
