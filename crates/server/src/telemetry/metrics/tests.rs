use super::*;
use actix_web::http::{Method, StatusCode};
use api_http::{ProblemCode, routes};
use authentication_app::ports::{Backlog, QueueName, SignInMethod, SignInOutcome};
use authentication_app::{accounts::People, caching::Ledger};

fn text_of(metrics: &Metrics) -> String {
    String::from_utf8(metrics.exposition().unwrap().text).unwrap()
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|it| it == line), "{line}\n{text}");
}

#[test]
fn every_series_of_a_counter_is_there_from_the_start() {
    let text = text_of(&Metrics::start(None).unwrap());
    assert_line(
        &text,
        r#"auth_sign_ins_total{method="password",outcome="success"} 0"#,
    );
    assert_line(&text, r#"http_server_refusals_total{code="overloaded"} 0"#);
    assert_line(&text, "http_server_active_requests 0");
    assert_line(&text, "auth_hashing_refused_total 0");
    assert!(
        !text.contains("auth_backlog"),
        "nobody told of a queue: {text}"
    );
}

#[test]
fn facts_are_counted_where_they_belong() {
    let metrics = Metrics::start(None).unwrap();
    let meter = metrics.meter();
    for _ in 0..3 {
        meter.note(Measure::SignIn(
            SignInMethod::OneTimeCode,
            SignInOutcome::Suspended,
        ));
    }
    meter.note(Measure::HashWaited(Duration::from_millis(4)));
    let lag = Duration::from_millis(2_500);
    let backlog = Backlog {
        waiting: 7,
        parked: 2,
        lag,
    };
    meter.note(Measure::Backlog(QueueName::Events, backlog));
    let text = text_of(&metrics);
    for line in [
        r#"auth_sign_ins_total{method="one_time_code",outcome="suspended"} 3"#,
        r#"auth_sign_ins_total{method="password",outcome="suspended"} 0"#,
        r#"auth_hashing_wait_seconds_bucket{le="0.001"} 0"#,
        r#"auth_hashing_wait_seconds_bucket{le="0.005"} 1"#,
        r#"auth_backlog_items{queue="events",state="waiting"} 7"#,
        r#"auth_backlog_items{queue="events",state="parked"} 2"#,
        r#"auth_backlog_lag_seconds{queue="events"} 2.5"#,
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn requests_are_sorted_by_route_and_what_has_none_stays_one_series() {
    let metrics = Metrics::start(None).unwrap();
    let me = routes::all().iter().find(|it| it.path == "/api/v1/me");
    let answer = |route, method: &Method, status, refused_with| {
        metrics.began();
        metrics.answered(&AnsweredRequest {
            route,
            method,
            status,
            refused_with,
            took: Duration::from_micros(300),
        });
    };
    answer(me, &Method::GET, StatusCode::OK, None);
    let gone = Some(ProblemCode::NotFound);
    let made_up = Method::from_bytes(b"MADEUP").unwrap();
    answer(None, &made_up, StatusCode::NOT_FOUND, gone);
    answer(None, &Method::GET, StatusCode::NOT_FOUND, gone);
    metrics.began();
    metrics.began();
    metrics.abandoned();
    let text = text_of(&metrics);
    for line in [
        r#"http_server_request_duration_seconds_count{method="GET",route="/api/v1/me",status="2xx"} 1"#,
        r#"http_server_request_duration_seconds_bucket{method="GET",route="/api/v1/me",status="2xx",le="0.001"} 1"#,
        r#"http_server_request_duration_seconds_count{method="_OTHER",route="unmatched",status="4xx"} 1"#,
        r#"http_server_request_duration_seconds_count{method="GET",route="unmatched",status="4xx"} 1"#,
        r#"http_server_refusals_total{code="not_found"} 2"#,
        "http_server_active_requests 1",
        "http_server_abandoned_requests_total 1",
    ] {
        assert_line(&text, line);
    }
    assert!(!text.contains("MADEUP"), "{text}");
}

#[test]
fn caches_are_shown_by_their_intent() {
    let metrics = Metrics::start(None).unwrap();
    let ledger = Ledger::default();
    metrics.watch_caches(&ledger);
    let counters = ledger.open(People::INTENT);
    counters.hit();
    counters.miss();
    counters.miss();
    counters.unavailable();
    counters.load();
    counters.early_refresh();
    counters.failure();
    let text = text_of(&metrics);
    for line in [
        r#"auth_cache_lookups_total{cache="people",outcome="hit"} 1"#,
        r#"auth_cache_lookups_total{cache="people",outcome="miss"} 2"#,
        r#"auth_cache_lookups_total{cache="people",outcome="unavailable"} 1"#,
        r#"auth_cache_loads_total{cache="people",reason="asked_for"} 1"#,
        r#"auth_cache_loads_total{cache="people",reason="early"} 1"#,
        r#"auth_cache_loads_lost_total{cache="people",reason="failed"} 1"#,
        r#"auth_cache_loads_lost_total{cache="people",reason="overtaken"} 0"#,
    ] {
        assert_line(&text, line);
    }
}
