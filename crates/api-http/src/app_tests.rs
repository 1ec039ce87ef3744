use std::{future::pending, rc::Rc, time::Duration};

use actix_web::{
    body,
    http::{Method as HttpMethod, StatusCode, header::HeaderMap},
    test::{TestRequest, call_service, init_service},
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde_json::{Value, json};
use testkit::LogCapture;
use tokio::sync::oneshot;

use super::*;
use crate::{ApiConfig, ports::DependencyStatus, test_support::TestState, to_the_end::to_the_end};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.json());
        assert_eq!(
            self.header("content-type"),
            "application/problem+json; charset=utf-8"
        );
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert_eq!(
            problem["type"],
            format!("urn:problem:fashionistar-auth:{code}")
        );
        assert!(problem["errors"].is_array());
    }
}

/// An application that can be asked more than once.
struct TestApp(Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Answer>>);

impl TestApp {
    async fn new<F, B>(app: App<F>) -> Self
    where
        F: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let service = Rc::new(init_service(app).await);
        Self(Box::new(move |request| {
            let service = Rc::clone(&service);
            Box::pin(async move { read(call_service(&*service, request.to_request()).await).await })
        }))
    }

    async fn ask(&self, request: TestRequest) -> Answer {
        (self.0)(request).await
    }
}

async fn read(response: ServiceResponse<impl MessageBody>) -> Answer {
    let (_, response) = response.into_parts();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status(),
        headers: head.headers().clone(),
        body: body::to_bytes(body).await.unwrap_or_default().to_vec(),
    }
}

async fn ask(test: &TestState, request: TestRequest) -> Answer {
    TestApp::new(public_app(test.state.clone()))
        .await
        .ask(request)
        .await
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn post(path: &str, body: &Value) -> TestRequest {
    TestRequest::post().uri(path).set_json(body)
}

#[track_caller]
fn assert_safe_headers(answer: &Answer) {
    for (name, expected) in [
        ("x-content-type-options", "nosniff"),
        (
            "strict-transport-security",
            "max-age=63072000; includeSubDomains",
        ),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), expected, "{name}");
    }
    assert!(answer.header("content-type").contains("charset=utf-8"));
    assert_eq!(answer.header("x-request-id").len(), 32);
}

static PANICS: RouteSpec = RouteSpec::of_a_test("/panics", || {
    async fn panics() -> HttpResponse {
        panic!("as a bug would")
    }
    web::route().to(panics)
});

static HANGS: RouteSpec =
    RouteSpec::of_a_test("/hangs", || web::route().to(pending::<HttpResponse>));

/// What surrounds every handler, with handlers that no table has.
async fn misbehaving_app(state: Arc<ApiState>) -> TestApp {
    let app = App::new()
        .app_data(State::from(state))
        .service(resource(PANICS.path, &[&PANICS]))
        .service(resource(HANGS.path, &[&HANGS]))
        .wrap(from_fn(boundary::enter));
    TestApp::new(app).await
}

#[actix_web::test]
async fn every_answer_carries_the_headers_whatever_became_of_the_request() {
    let test = TestState::new().await;
    for (request, status) in [
        (get("/health/live"), 200),
        (get("/api/v1/countries?q=ng"), 200),
        (get("/api/v1/me"), 401),
        (get("/nowhere"), 404),
        (TestRequest::delete().uri("/health/live"), 405),
        (TestRequest::post().uri("/api/v1/auth/login"), 415),
        (post("/api/v1/auth/login", &json!({})), 400),
    ] {
        let answer = ask(&test, request).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_safe_headers(&answer);
    }
    let app = misbehaving_app(test.state.clone()).await;
    let answer = app.ask(get("/panics")).await;
    assert_safe_headers(&answer);
}

#[actix_web::test]
async fn a_panic_ends_one_request_and_no_other() {
    let test = TestState::new().await;
    let app = misbehaving_app(test.state.clone()).await;
    for _ in 0..3 {
        let answer = app.ask(get("/panics")).await;
        answer.assert_problem(500, "internal_error");
        assert!(!String::from_utf8_lossy(&answer.body).contains("bug"));
    }
}

#[actix_web::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let config = ApiConfig {
        request_deadline: Duration::from_millis(5),
        ..ApiConfig::default()
    };
    let test = TestState::with(config).await;
    let app = misbehaving_app(test.state.clone()).await;
    let answer = app.ask(get("/hangs")).await;
    answer.assert_problem(503, "deadline_exceeded");
    assert_eq!(answer.header("retry-after"), "1");
}

#[actix_web::test]
async fn work_goes_on_when_nobody_waits_for_it() {
    let (go, gone) = oneshot::channel::<()>();
    let (tell, told) = oneshot::channel::<()>();
    let work = to_the_end(async move {
        gone.await.unwrap();
        tell.send(()).unwrap();
        Ok::<_, Problem>(())
    });
    let mut waiting = Box::pin(work);
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(waiting);
    go.send(()).unwrap();
    told.await.expect("the work ended");
}

#[actix_web::test]
async fn a_request_id_is_taken_when_it_is_sane_and_made_otherwise() {
    let test = TestState::new().await;
    let with = |id: &str| get("/nowhere").insert_header(("x-request-id", id));
    let answer = ask(&test, with("abc-1.2_3")).await;
    assert_eq!(answer.header("x-request-id"), "abc-1.2_3");
    answer.assert_problem(404, "not_found");
    for odd in ["", "a b", "<x>", &"x".repeat(129)] {
        let answer = ask(&test, with(odd)).await;
        assert_eq!(answer.header("x-request-id").len(), 32, "{odd:?}");
    }
}

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
        // The body, the id in the path and the query are not looked at before the token is.
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
async fn calls_are_counted_before_their_body_is_looked_at() {
    let test = TestState::new().await;
    let app = TestApp::new(public_app(test.state.clone())).await;
    let nonsense = || {
        TestRequest::post()
            .uri("/api/v1/auth/register")
            .peer_addr("192.0.2.1:1".parse().unwrap())
    };
    for left in (0..20).rev() {
        let answer = app.ask(nonsense()).await;
        answer.assert_problem(415, "unsupported_media_type");
        assert_eq!(
            answer.header("ratelimit-policy"),
            r#""address";q=20;w=3600"#
        );
        let standing = format!(r#""address";r={left};t="#);
        assert!(answer.header("ratelimit").starts_with(&standing));
    }
    let answer = app.ask(nonsense()).await;
    answer.assert_problem(429, "rate_limited");
    assert!(
        answer
            .header("ratelimit")
            .starts_with(r#""address";r=0;t="#)
    );
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    let neighbour = nonsense().peer_addr("192.0.2.2:1".parse().unwrap());
    assert_eq!(app.ask(neighbour).await.status.as_u16(), 415);
    let spoofed = nonsense().insert_header(("x-forwarded-for", "192.0.2.3"));
    assert_eq!(app.ask(spoofed).await.status.as_u16(), 429);
}

#[actix_web::test]
async fn an_exempt_network_is_not_counted_by_address() {
    let config = ApiConfig {
        exempt_networks: vec!["192.0.2.0/24".parse().unwrap()],
        ..ApiConfig::default()
    };
    let test = TestState::with(config).await;
    let app = TestApp::new(public_app(test.state.clone())).await;
    for _ in 0..25 {
        let request = TestRequest::post()
            .uri("/api/v1/auth/register")
            .peer_addr("192.0.2.1:1".parse().unwrap());
        let answer = app.ask(request).await;
        assert_eq!(answer.status.as_u16(), 415);
        assert_eq!(answer.header("ratelimit"), "");
    }
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

#[actix_web::test]
async fn readiness_names_what_is_down_and_says_when_it_drains() {
    let test = TestState::new().await;
    let ready = ask(&test, get("/health/ready")).await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        json!({ "status": "ready", "dependencies": [{ "name": "database", "state": "up", "required": true }] })
    );
    test.database.set(DependencyStatus::Down);
    let down = ask(&test, get("/health/ready")).await;
    assert_eq!(down.status, 503);
    assert_eq!(down.json()["status"], "not_ready");
    assert_safe_headers(&down);
    test.database.set(DependencyStatus::Up);
    test.state.draining.begin();
    let draining = ask(&test, get("/health/ready")).await;
    assert_eq!(draining.status, 503);
    assert_eq!(draining.json()["status"], "draining");
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
    assert_eq!(ask(&development, get("/openapi.json")).await.status, 200);
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

#[actix_web::test]
async fn a_form_is_told_all_that_is_wrong_with_it() {
    let test = TestState::new().await;
    let body = json!({
        "email": "not-an-address", "password": "", "role": "admin", "country": "XX", "display_name": "a\u{202e}b",
    });
    let answer = ask(&test, post("/api/v1/auth/register", &body)).await;
    answer.assert_problem(422, "validation_failed");
    let problem = answer.json();
    let errors: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let text = |key: &str| error[key].as_str().unwrap().to_owned();
            format!("{}/{}", text("field"), text("code"))
        })
        .collect();
    assert_eq!(
        errors,
        [
            "email/invalid_email",
            "password/required",
            "display_name/unprintable_characters",
            "country/unknown_country",
        ]
    );
}

#[actix_web::test]
async fn nobody_registers_as_staff_or_with_two_identifiers() {
    let test = TestState::new().await;
    let password = "correct horse battery staple";
    for (body, field) in [
        (
            json!({ "email": "ada@example.com", "password": password, "role": "admin" }),
            "role",
        ),
        (
            json!({ "email": "ada@example.com", "password": password, "role": "king" }),
            "role",
        ),
        (
            json!({ "email": "ada@example.com", "phone": "+2348012345678", "password": password }),
            "identifier",
        ),
        (json!({ "password": password }), "identifier"),
        (
            json!({ "email": "ada@example.com", "password": "password123" }),
            "password",
        ),
    ] {
        let answer = ask(&test, post("/api/v1/auth/register", &body)).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{body}");
    }
}

#[actix_web::test]
async fn a_registration_answers_with_a_challenge() {
    let test = TestState::new().await;
    let body = json!({ "email": "ada@example.com", "password": "correct horse battery staple" });
    let answer = ask(&test, post("/api/v1/auth/register", &body)).await;
    assert_eq!(answer.status, 202);
    let data = &answer.json()["data"];
    assert_eq!(data["channel"], "email");
    assert_eq!(data["sent_to"], "a***@e***.com");
    assert_eq!(data["expires_in"], 600);
    assert_eq!(data["resend_in"], 60);
    assert_eq!(data["challenge_id"].as_str().map(str::len), Some(32));
}

#[actix_web::test]
async fn a_repeated_registration_gets_the_answer_it_had() {
    let test = TestState::new().await;
    let body = json!({ "email": "ada@example.com", "password": "correct horse battery staple" });
    let with_key =
        |body: &Value| post("/api/v1/auth/register", body).insert_header(("idempotency-key", "k1"));
    let first = ask(&test, with_key(&body)).await;
    let again = ask(&test, with_key(&body)).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!(first.json(), again.json());
    let other = json!({ "email": "bob@example.com", "password": "correct horse battery staple" });
    ask(&test, with_key(&other))
        .await
        .assert_problem(422, "idempotency_key_reused");
}

#[actix_web::test]
async fn wrong_passwords_look_alike_and_lock_with_the_time_to_wait() {
    let test = TestState::new().await;
    let app = TestApp::new(public_app(test.state.clone())).await;
    let body =
        json!({ "identifier": "nobody@example.com", "password": "wrong horse battery staple" });
    for _ in 0..5 {
        let answer = app.ask(post("/api/v1/auth/login", &body)).await;
        answer.assert_problem(401, "invalid_credentials");
        assert_eq!(answer.json()["detail"], "Invalid credentials");
        assert!(
            answer
                .header("ratelimit-policy")
                .contains(r#""subject";q=20;w=60"#)
        );
    }
    let locked = app.ask(post("/api/v1/auth/login", &body)).await;
    locked.assert_problem(429, "account_locked");
    assert_eq!(locked.header("retry-after"), "900");
    assert!(
        locked
            .header("ratelimit")
            .contains(r#""attempts";r=0;t=900"#)
    );
}

#[actix_web::test]
async fn a_code_that_does_not_count_is_a_401() {
    let test = TestState::new().await;
    let body = json!({ "challenge_id": "f".repeat(32), "code": "000000" });
    ask(&test, post("/api/v1/auth/verify-otp", &body))
        .await
        .assert_problem(401, "invalid_code");
    let malformed = json!({ "challenge_id": "f".repeat(32), "code": "abcdef" });
    ask(&test, post("/api/v1/auth/verify-otp", &malformed))
        .await
        .assert_problem(422, "validation_failed");
    let resend = json!({ "challenge_id": "f".repeat(32) });
    ask(&test, post("/api/v1/auth/resend-otp", &resend))
        .await
        .assert_problem(401, "invalid_code");
    let refresh = json!({ "refresh_token": "fa_rt_v1.k.x.0.y" });
    ask(&test, post("/api/v1/auth/token/refresh", &refresh))
        .await
        .assert_problem(401, "invalid_refresh_token");
}

#[actix_web::test]
async fn a_reset_takes_a_code_or_a_link_and_not_both() {
    let test = TestState::new().await;
    let password = "purple monkey dishwasher 7";
    let token = "f".repeat(32);
    for (body, status, code) in [
        (
            json!({ "token": token, "new_password": password }),
            401,
            "invalid_code",
        ),
        (
            json!({ "challenge_id": token, "code": "000000", "new_password": password }),
            401,
            "invalid_code",
        ),
        (
            json!({ "token": token, "code": "000000", "new_password": password }),
            422,
            "validation_failed",
        ),
        (
            json!({ "challenge_id": token, "new_password": password }),
            422,
            "validation_failed",
        ),
        (
            json!({ "new_password": password }),
            422,
            "validation_failed",
        ),
        (
            json!({ "token": token, "new_password": "password123" }),
            422,
            "validation_failed",
        ),
    ] {
        ask(&test, post("/api/v1/auth/password/reset/confirm", &body))
            .await
            .assert_problem(status, code);
    }
}

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
