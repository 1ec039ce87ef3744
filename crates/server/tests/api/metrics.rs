//! What `/metrics` says after real traffic.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use server::config::Config;

use crate::{
    app::{TestApp, wrong_code},
    person::PASSWORD,
};

/// Prometheus text, parsed. Refuses what Prometheus would.
struct Scrape {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    fn parse(text: &str) -> Self {
        let (mut kinds, mut samples) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a kind");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let before = kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} is there twice");
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                let value: f64 = value
                    .parse()
                    .unwrap_or_else(|_| panic!("no number: {line}"));
                let name = series.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|part| name.strip_suffix(part))
                    .filter(|family| kinds.contains_key(*family))
                    .unwrap_or(name);
                assert!(kinds.contains_key(family), "no kind: {line}");
                let before = samples.insert(series.to_owned(), value);
                assert_eq!(before, None, "{series} is there twice");
            }
        }
        Self { kinds, samples }
    }

    #[track_caller]
    fn assert_is(&self, series: &str, value: u32) {
        assert_eq!(
            self.samples.get(series),
            Some(&f64::from(value)),
            "{series}"
        );
    }

    fn sum_of(&self, name: &str) -> f64 {
        let of_name = |series: &&String| series.starts_with(&format!("{name}{{"));
        self.samples
            .keys()
            .filter(of_name)
            .map(|series| self.samples[series])
            .sum()
    }
}

impl TestApp {
    pub(crate) async fn metrics_text(&self) -> String {
        let url = format!("{}/metrics", self.management_address());
        let answer = reqwest::get(url).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let media_type = answer.headers()["content-type"].to_str().unwrap();
        assert_eq!(media_type, "text/plain; version=0.0.4; charset=utf-8");
        answer.text().await.expect("text")
    }

    async fn metrics(&self) -> Scrape {
        Scrape::parse(&self.metrics_text().await)
    }
}

/// The names in the tables of `docs/metrics.md`.
fn documented() -> BTreeMap<String, String> {
    let text = include_str!("../../../../docs/metrics.md");
    text.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let (name, rest) = line.split_once("` | ").expect("a kind");
            let kind = rest.split(" |").next().expect("a kind");
            (name.to_owned(), kind.to_owned())
        })
        .collect()
}

testkit::on_every_engine! {
    async fn what_was_done_is_what_is_counted(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.get("/metrics").await.assert_problem(404, "not_found");
        let person = app.register_person().await;
        for _ in 0..2 {
            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        }
        app.log_in(&person.identifier, "wrong-Harbour-42-zeppelin").await.assert_status(401);
        for _ in 0..3 {
            app.me(&person.tokens.access).await.assert_status(200);
        }
        app.me("garbage").await.assert_status(401);
        let refreshed = app.refresh(&person.tokens.refresh).await;
        refreshed.assert_status(200);
        app.refresh("garbage").await.assert_status(401);
        app.advance_seconds(61);
        let challenge = app.post("/api/v1/auth/login/otp", &json!({"identifier": person.identifier})).await;
        challenge.assert_status(202);
        let code = app.nth_code_sent_to(&person.identifier, 2).await;
        let challenge = challenge.text_of("/challenge_id");
        app.verify(&challenge, &wrong_code(&code)).await.assert_status(401);
        app.verify(&challenge, &code).await.assert_status(200);
        app.get("/nowhere").await.assert_status(404);
        app.send(app.request("MADEUP", "/api/v1/me")).await.assert_status(405);
        app.settle_messages().await;

        let scrape = app.metrics().await;
        let of_requests = |labels: &str| format!("http_server_request_duration_seconds_count{{{labels}}}");
        for (series, value) in [
            (r#"auth_sign_ins_total{method="password",outcome="success"}"#, 2),
            (r#"auth_sign_ins_total{method="password",outcome="refused"}"#, 1),
            (r#"auth_sign_ins_total{method="one_time_code",outcome="success"}"#, 1),
            (r#"auth_registrations_total{outcome="requested"}"#, 1),
            (r#"auth_registrations_total{outcome="completed"}"#, 1),
            (r#"auth_refreshes_total{outcome="success"}"#, 1),
            (r#"auth_refreshes_total{outcome="refused"}"#, 1),
            (r#"auth_codes_total{outcome="queued",purpose="registration"}"#, 1),
            (r#"auth_codes_total{outcome="proven",purpose="registration"}"#, 1),
            (r#"auth_codes_total{outcome="queued",purpose="sign_in"}"#, 1),
            (r#"auth_codes_total{outcome="refused",purpose="sign_in"}"#, 1),
            (r#"auth_codes_total{outcome="proven",purpose="sign_in"}"#, 1),
            // Two codes, and a notice of the first device that was new: the others wait for their summary.
            (r#"auth_messages_total{channel="email",outcome="delivered"}"#, 3),
            (r#"http_server_refusals_total{code="invalid_credentials"}"#, 1),
            (r#"http_server_refusals_total{code="invalid_code"}"#, 1),
            (r#"http_server_refusals_total{code="invalid_token"}"#, 1),
            (&of_requests(r#"method="GET",route="/api/v1/me",status="2xx""#), 3),
            (&of_requests(r#"method="GET",route="/api/v1/me",status="4xx""#), 1),
            (&of_requests(r#"method="POST",route="/api/v1/auth/login",status="2xx""#), 2),
            (&of_requests(r#"method="POST",route="/api/v1/auth/login",status="4xx""#), 1),
            // This and the scrape's own address at the beginning.
            (&of_requests(r#"method="GET",route="unmatched",status="4xx""#), 2),
            (&of_requests(r#"method="_OTHER",route="unmatched",status="4xx""#), 1),
            // One for the registration, three for sign-ins; the estimate of the new password waits for its turn, too.
            ("auth_hashing_duration_seconds_count", 4),
            ("auth_hashing_wait_seconds_count", 5),
            ("auth_hashing_busy", 0),
            ("auth_hashing_queue_limit", 256),
            ("http_server_active_requests", 0),
        ] {
            scrape.assert_is(series, value);
        }
        // Its session was found once in the store, and twice nearby.
        let cache = if engine == testkit::Engine::Production { "sessions_near" } else { "sessions_alone" };
        let near = |outcome: &str| format!(r#"auth_cache_lookups_total{{cache="{cache}",outcome="{outcome}"}}"#);
        scrape.assert_is(&near("miss"), 1);
        scrape.assert_is(&near("hit"), 2);
        assert!(scrape.sum_of("auth_store_connections_limit") >= 2.0);
        assert!(scrape.samples["process_resident_memory_bytes"] > 1e6);
        assert!(scrape.samples["process_cpu_seconds_total"] > 0.0);
    }

    async fn every_metric_is_documented_and_every_documented_one_is_there(engine: Engine) {
        let with_google = |config: &mut Config| config.google.client_ids = vec!["site".to_owned()];
        let app = TestApp::start_with(engine, with_google).await;
        app.register_person().await;
        app.settle_messages().await;
        // How long a queue is, is told by a worker when its turn comes.
        let told = "auth_backlog_lag_seconds";
        app.until("the queues are told of", async || app.metrics().await.kinds.contains_key(told)).await;
        assert_eq!(app.metrics().await.kinds, documented());
    }

    async fn nothing_personal_is_in_a_label(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_as("canary.person@example.com", "canary-Horse-42-staple").await;
        let request = app.request("GET", "/api/v1/canary?canary=1").header("User-Agent", "canary");
        app.send(request.bearer_auth(&person.tokens.access)).await.assert_status(404);
        let text = app.metrics_text().await;
        for secret in ["canary", &person.id, &person.tokens.session, "127.0.0.1"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        let series: BTreeSet<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(series.len() < 1_000, "{} series", series.len());
    }
}
