//! The routes of each listener, and who may call them.

use super::*;
use crate::answer;

#[actix_web::test]
async fn readiness_names_what_is_down_and_says_when_it_drains() {
    let test = TestState::new().await;
    let ready = ask(&test, get("/health/ready")).await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        json!({ "status": "ready", "dependencies": [
            { "name": "database", "state": "up", "required": true, "causes": [] }
        ] })
    );
    test.database.set(DependencyStatus::Down);
    let down = ask(&test, get("/health/ready")).await;
    assert_eq!(down.status, 503);
    assert_eq!(down.json()["status"], "not_ready");
    assert_eq!(
        down.json()["dependencies"][0]["causes"],
        json!(["unreachable"])
    );
    assert_eq!(down.header("retry-after"), "1");
    assert_safe_headers(&down);
    let serving = ask(&test, get("/health/serving")).await;
    assert_eq!(serving.status, 200, "there is nowhere else to go");
    assert_eq!(serving.json()["status"], "degraded");
    assert_eq!(serving.json()["dependencies"], down.json()["dependencies"]);
    test.database.set(DependencyStatus::Up);
    test.state.draining.begin();
    let draining = ask(&test, get("/health/ready")).await;
    assert_eq!(draining.status, 503);
    assert_eq!(draining.json()["status"], "draining");
    let serving = ask(&test, get("/health/serving")).await;
    assert_eq!(serving.status, 503);
    assert_eq!(serving.json(), draining.json());
    assert_eq!(ask(&test, get("/health/live")).await.status, 200);
}

#[actix_web::test]
async fn keys_may_be_kept_for_a_while() {
    let test = TestState::new().await;
    let keys = ask(&test, get("/.well-known/jwks.json")).await;
    assert_eq!(keys.header("cache-control"), "public, max-age=300");
    assert!(keys.json()["keys"][0]["kid"].is_string());
    let metadata = ask(&test, get("/.well-known/openid-configuration")).await;
    assert_eq!(metadata.json()["issuer"], "https://auth.example.com");
    assert_eq!(
        metadata.json()["jwks_uri"],
        "http://127.0.0.1:8080/.well-known/jwks.json"
    );
}

#[actix_web::test]
async fn what_is_for_development_is_not_there_in_production() {
    let production = TestState::new().await;
    for path in [
        "/dev/mailbox",
        "/dev/mailbox/page.js",
        "/docs",
        "/docs/swagger-ui.css",
        "/openapi.json",
    ] {
        let answer = ask(&production, get(path)).await;
        answer.assert_problem(404, "not_found");
    }
    let development = TestState::with(ApiConfig {
        development: true,
        docs_on_public: true,
        ..ApiConfig::default()
    })
    .await;
    let mailbox = ask(&development, get("/dev/mailbox?to=a@b.co")).await;
    assert_eq!(mailbox.json(), json!({ "items": [] }));
    let wrong = ask(&development, get("/dev/mailbox?limit=0")).await;
    wrong.assert_problem(422, "validation_failed");
    assert_eq!(ask(&development, get("/openapi.json")).await.status, 200);
}

#[actix_web::test]
async fn the_mailbox_is_a_page_where_html_is_asked_for_before_json() {
    let development = TestState::with(ApiConfig {
        development: true,
        ..ApiConfig::default()
    })
    .await;
    let browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    for (accept, content_type) in [
        (browsers, "text/html; charset=utf-8"),
        ("application/json, text/html;q=0.9", answer::JSON),
        ("application/json", answer::JSON),
        ("*/*", answer::JSON),
        ("image/png", answer::JSON),
        ("nonsense", answer::JSON),
    ] {
        let request = get("/dev/mailbox").insert_header(("accept", accept));
        let shown = ask(&development, request).await;
        assert_eq!(shown.status, 200, "{accept}");
        assert_eq!(shown.header("content-type"), content_type, "{accept}");
        assert_eq!(shown.header("vary"), "accept", "{accept}");
    }
    let page = ask(
        &development,
        get("/dev/mailbox").insert_header(("accept", browsers)),
    )
    .await;
    let html = String::from_utf8(page.body).unwrap();
    for (file, content_type) in [
        ("/dev/mailbox/page.js", "text/javascript; charset=utf-8"),
        ("/dev/mailbox/page.css", "text/css; charset=utf-8"),
    ] {
        assert!(html.contains(&format!("\"{file}\"")), "{html}");
        let answer = ask(&development, get(file)).await;
        assert_eq!(answer.header("content-type"), content_type);
    }
    let nothing = ask(&development, get("/dev/mailbox/mod.rs")).await;
    nothing.assert_problem(404, "not_found");
}

#[actix_web::test]
async fn the_management_listener_serves_health_and_pages_and_nothing_else() {
    let test = TestState::new().await;
    let app = TestApp::new(management_app(test.state.clone())).await;
    for path in ["/health/live", "/health/ready", "/openapi.json"] {
        assert_eq!(app.ask(get(path)).await.status, 200, "{path}");
    }
    let page = app.ask(get("/docs")).await;
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'self'")
    );
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains(r#"<base href="/docs/">"#), "{html}");
    let start = app.ask(get("/docs/swagger-initializer.js")).await;
    let script = String::from_utf8(start.body).unwrap();
    assert!(script.contains("/openapi.json"), "{script}");
    assert!(!script.contains("petstore"), "{script}");
    // The management listener has no API to call, so its page offers no calls.
    assert!(
        script.contains(r#""supportedSubmitMethods": []"#),
        "{script}"
    );
    for path in [
        "/api/v1/countries",
        "/.well-known/jwks.json",
        "/docs/..",
        "/docs/x.js",
    ] {
        assert_eq!(app.ask(get(path)).await.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn only_listed_origins_may_call_from_a_browser() {
    let config = ApiConfig {
        cors_origins: vec!["https://shop.example".to_owned()],
        ..ApiConfig::default()
    };
    let test = TestState::with(config).await;
    let preflight = |origin: &str| {
        TestRequest::with_uri("/api/v1/auth/login")
            .method(HttpMethod::OPTIONS)
            .insert_header(("origin", origin))
            .insert_header(("access-control-request-method", "POST"))
            .insert_header((
                "access-control-request-headers",
                "content-type, x-device-token",
            ))
    };
    let allowed = ask(&test, preflight("https://shop.example")).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://shop.example"
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    let called = get("/nowhere").insert_header(("origin", "https://shop.example"));
    let called = ask(&test, called).await;
    called.assert_problem(404, "not_found");
    assert_eq!(
        called.header("access-control-allow-origin"),
        "https://shop.example"
    );
    for other in [
        "https://evil.example",
        "null",
        "http://shop.example",
        "https://shop.example.evil.example",
        "https://shop.example:8443",
        "https://sub.shop.example",
    ] {
        let refused = ask(&test, preflight(other)).await;
        refused.assert_problem(400, "malformed_request");
        assert_eq!(refused.header("access-control-allow-origin"), "", "{other}");
        let called = ask(&test, get("/health/live").insert_header(("origin", other))).await;
        assert_eq!(called.header("access-control-allow-origin"), "", "{other}");
    }
}
