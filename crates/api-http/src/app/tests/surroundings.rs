//! What middleware adds to every request, regardless of its handler.

use super::*;

#[actix_web::test]
async fn every_answer_carries_the_headers_whatever_became_of_the_request() {
    let test = TestState::new().await;
    for (request, status) in [
        (get("/health/live"), 200),
        (get("/health/ready"), 200),
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
