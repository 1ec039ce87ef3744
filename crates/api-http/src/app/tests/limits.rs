//! Rate limits.

use super::*;

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
