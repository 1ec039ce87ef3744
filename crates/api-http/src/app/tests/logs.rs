//! What is logged, and what must not be.

use super::*;

#[actix_web::test]
async fn the_log_has_the_template_and_the_code_and_nothing_that_was_sent() {
    let test = TestState::new().await;
    let app = TestApp::new(public_app(test.state.clone())).await;
    let (log, _guard) = LogCapture::on_this_thread();
    let canary = "cAnArY-7f3a";
    let body = json!({ "identifier": format!("{canary}@example.com"), "password": canary, "code": canary });
    let requests = [
        post("/api/v1/auth/login", &body),
        get(&format!("/{canary}?q={canary}")),
        get(&format!("/api/v1/countries?q={canary}&{canary}=1")),
        TestRequest::delete()
            .uri(&format!("/api/v1/me/sessions/{canary}"))
            .insert_header(("authorization", format!("Bearer {canary}")))
            .insert_header(("x-request-id", format!("{canary} x"))),
        TestRequest::with_uri("/health/live")
            .method(HttpMethod::from_bytes(canary.as_bytes()).unwrap())
            .insert_header(("user-agent", canary)),
    ];
    for request in requests {
        let request = request.insert_header(("x-forwarded-for", "198.51.100.77"));
        assert!(app.ask(request).await.status.is_client_error());
    }
    let text = log.text();
    assert!(!text.contains(canary), "{text}");
    assert!(!text.contains("198.51.100.77"), "{text}");
    for said in [
        r#"http.route="/api/v1/auth/login""#,
        r#"http.route="/api/v1/me/sessions/{id}""#,
        r#"http.route="unmatched""#,
        r#"http.method="_OTHER""#,
        r#"code="malformed_request""#,
        r#"code="invalid_token""#,
        "status=404",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
}

#[actix_web::test]
async fn a_fault_of_ours_is_logged_once_with_its_request_id() {
    let test = TestState::new().await;
    let app = misbehaving_app(test.state.clone()).await;
    let (log, _guard) = LogCapture::on_this_thread();
    app.ask(get("/panics").insert_header(("x-request-id", "find-me")))
        .await;
    let text = log.text();
    let faults: Vec<_> = text
        .lines()
        .filter(|line| line.contains(" ERROR request"))
        .collect();
    assert_eq!(faults.len(), 1, "{text}");
    assert!(faults[0].contains(r#"request_id="find-me""#), "{text}");
    assert!(faults[0].contains("a handler panicked"), "{text}");
}
