//! What the public listener shows: headers, methods, limits, documents.

use serde_json::json;
use testkit::Engine;

use crate::{answer::Answer, app::TestApp, person::PASSWORD};

#[track_caller]
fn assert_guarded(answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "strict-transport-security",
            "max-age=63072000; includeSubDomains",
        ),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}: {answer:?}");
    }
    let media = answer.header("content-type").unwrap_or_default();
    assert!(
        media.contains("json") && media.contains("charset=utf-8"),
        "{answer:?}"
    );
    let length = answer.text.len().to_string();
    assert_eq!(
        answer.header("content-length"),
        Some(&*length),
        "{answer:?}"
    );
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("frame-ancestors 'none'"), "{answer:?}");
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none());
}

testkit::on_every_engine! {
    async fn every_answer_carries_the_security_headers(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let answers = [
            app.me(&person.tokens.access).await,
            app.get("/api/v1/me").await,
            app.get("/nowhere").await,
            app.get("/api/v1/auth/login").await,
            app.log_in("nobody", PASSWORD).await,
            app.log_in("a@example.com", PASSWORD).await,
            app.get("/.well-known/jwks.json").await,
            app.get("/health/live").await,
        ];
        let statuses: Vec<u16> = answers.iter().map(|it| it.status.as_u16()).collect();
        assert_eq!(statuses, [200, 401, 404, 405, 422, 401, 200, 200]);
        for answer in &answers {
            assert_guarded(answer);
        }
        for answer in &answers[..6] {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'"), "{answer:?}");
        }
    }

    async fn other_methods_are_405_with_what_is_allowed(engine: Engine) {
        let app = TestApp::start(engine).await;
        for (path, allowed) in [
            ("/api/v1/auth/login", "POST"), ("/api/v1/me", "GET"), ("/api/v1/me/sessions", "DELETE"),
            ("/api/v1/countries", "GET"), ("/health/live", "GET"),
        ] {
            for method in ["PUT", "TRACE", "MADEUP"] {
                let answer = app.send(app.request(method, path)).await;
                answer.assert_problem(405, "method_not_allowed");
                assert!(answer.header("allow").unwrap().contains(allowed), "{answer:?}");
            }
        }
        let person = app.register_person().await;
        let override_ = app.request("POST", "/api/v1/me/sessions")
            .bearer_auth(&person.tokens.access)
            .header("X-HTTP-Method-Override", "DELETE");
        app.send(override_).await.assert_status(405);
    }

    async fn a_trailing_slash_is_tolerated_and_other_spellings_are_not(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.get("/api/v1/countries/").await.assert_status(200);
        for path in ["/API/v1/countries", "/api/v1/%63ountries%2f", "/api//v1/countriesx", "/api/v1/countries/x", "/api/v1/..%2fme"] {
            let answer = app.get(path).await;
            answer.assert_problem(404, "not_found");
        }
    }

    async fn countries_are_listed_and_searched(engine: Engine) {
        let app = TestApp::start(engine).await;
        let all = app.get("/api/v1/countries").await.data();
        let items = all.get("items").unwrap_or(&all).as_array().unwrap().clone();
        assert!(items.len() > 240);
        let found = app.get("/api/v1/countries?q=niger").await.data();
        let found = found.get("items").unwrap_or(&found).as_array().unwrap().clone();
        let nigeria = found.iter().find(|it| it["alpha2"] == "NG").unwrap();
        assert_eq!((&nigeria["name"], &nigeria["dial_code"], &nigeria["currency"]), (&json!("Nigeria"), &json!("+234"), &json!("NGN")));
        assert_eq!(found.len(), 2, "Niger and Nigeria");
        let none = app.get("/api/v1/countries?q=%25").await.data();
        assert_eq!(none.get("items").unwrap_or(&none), &json!([]));
    }

    async fn keys_and_metadata_are_published_without_secrets(engine: Engine) {
        let app = TestApp::start(engine).await;
        let keys = app.get("/.well-known/jwks.json").await;
        keys.assert_status(200);
        assert!(keys.header("cache-control").unwrap().contains("max-age"));
        let keys = keys.json()["keys"].as_array().unwrap().clone();
        assert!(!keys.is_empty());
        for key in &keys {
            assert!(key["kid"].is_string() && key["alg"].is_string() && key["use"] == "sig", "{key}");
            assert!(key.get("d").is_none(), "a private key is published");
        }
        let metadata = app.get("/.well-known/openid-configuration").await.json();
        assert!(metadata["jwks_uri"].as_str().unwrap().ends_with("/.well-known/jwks.json"));
        assert!(metadata["issuer"].as_str().unwrap().starts_with("http"));
        let related = app.get("/.well-known/webauthn").await;
        assert!(related.header("content-type").unwrap().starts_with("application/json"));
        assert_eq!(related.json(), json!({"origins": ["https://auth.example.com"]}));
    }

    async fn health_names_what_it_depends_on(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.get("/health/live").await.assert_status(200);
        let ready = app.get("/health/ready").await;
        ready.assert_status(200);
        assert!(ready.text.contains("database"), "{ready:?}");
        if engine == Engine::Production {
            assert!(ready.text.contains("redis"), "{ready:?}");
        }
        let client = reqwest::Client::new();
        for path in ["/health/live", "/health/ready"] {
            let answer = client.get(format!("{}{path}", app.management_address())).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
    }

    async fn the_api_describes_itself(engine: Engine) {
        let app = TestApp::start(engine).await;
        let document = app.get("/openapi.json").await;
        document.assert_status(200);
        assert!(document.json()["openapi"].as_str().unwrap().starts_with("3."));
        for path in ["/api/v1/auth/register", "/api/v1/auth/token/refresh", "/api/v1/me", "/api/v1/me/sessions/{id}"] {
            assert!(document.json()["paths"].get(path).is_some(), "{path}");
        }
        let page = app.get("/docs/").await;
        page.assert_status(200);
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    }

    async fn only_listed_origins_may_read_answers(engine: Engine) {
        let app = TestApp::start_with(engine, |settings| {
            settings.http.cors_origins = ["https://shop.example", "capacitor://localhost"].map(str::to_owned).into();
        })
        .await;
        // What sites send with the tracing of a browser SDK.
        let headers = "authorization,baggage,content-type,idempotency-key,sentry-trace,traceparent,tracestate,x-device-token";
        let ask = |origin: &'static str| app.send(
            app.request("OPTIONS", "/api/v1/auth/login")
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", headers),
        );
        for listed in ["https://shop.example", "capacitor://localhost"] {
            let good = ask(listed).await;
            good.assert_status(200);
            assert_eq!(good.header("access-control-allow-origin"), Some(listed), "{good:?}");
            let allowed = good.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
            for header in headers.split(',') {
                assert!(allowed.split(',').any(|it| it.trim() == header), "{header}: {allowed}");
            }
        }
        for evil in ["https://evil.example", "null", "capacitor://localhost.evil", "ionic://localhost", "https://shop.example.evil", "https://xshop.example",
            "http://shop.example", "https://shop.example:8443"] {
            let answer = ask(evil).await;
            assert!(answer.header("access-control-allow-origin").is_none(), "{evil}: {answer:?}");
            let plain = app.send(app.request("GET", "/api/v1/countries").header("Origin", evil)).await;
            assert!(plain.header("access-control-allow-origin").is_none(), "{evil}: {plain:?}");
        }
    }

    async fn an_address_has_its_limits_and_is_told(engine: Engine) {
        let app = TestApp::start_limited(engine).await;
        let mut last = None;
        for number in 0..20 {
            let answer = app.ask_to_register(&format!("p{number}@example.com"), PASSWORD).await;
            answer.assert_status(202);
            assert!(answer.header("ratelimit-policy").unwrap().contains("q=20"), "{answer:?}");
            last = Some(answer);
        }
        assert!(last.unwrap().header("ratelimit").unwrap().contains("r=0"));
        let challenges = app.count("challenges").await;
        let refused = app.ask_to_register("one-more@example.com", PASSWORD).await;
        refused.assert_problem(429, "rate_limited");
        // Windows are counted in sixtieths, so a call may weigh for one of them longer.
        let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3660).contains(&wait), "{wait}");
        assert_eq!(app.count("challenges").await, challenges, "nothing is kept of what is refused");
        // Another address's word for its own counts for nothing: no proxy is trusted.
        for header in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP"] {
            let spoofed = app.request("POST", "/api/v1/auth/register")
                .header(header, "192.0.2.7")
                .json(&json!({"email": "spoof@example.com", "password": PASSWORD}));
            app.send(spoofed).await.assert_problem(429, "rate_limited");
        }
        // Other routes have their own budget.
        app.log_in("p1@example.com", PASSWORD).await.assert_status(401);
    }

    async fn a_trusted_proxy_tells_the_clients_address(engine: Engine) {
        let app = TestApp::start_with(engine, |settings| {
            settings.protection.exempt_networks.clear();
            settings.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        let ask = |forwarded: String| {
            let request = app.request("POST", "/api/v1/auth/password/reset")
                .header("X-Forwarded-For", forwarded)
                .json(&json!({"identifier": "a@example.com"}));
            app.send(request)
        };
        for number in 0..20 {
            // What the client itself claims stands before what the proxy adds, and changes nothing.
            ask(format!("203.0.113.{number}, 192.0.2.1")).await.assert_status(202);
        }
        ask("203.0.113.99, 192.0.2.1".to_owned()).await.assert_problem(429, "rate_limited");
        ask("192.0.2.2".to_owned()).await.assert_status(202);
        ask("not an address".to_owned()).await.assert_status(202);
    }

    async fn an_identifier_has_its_limit_of_sign_ins(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        for _ in 0..20 {
            app.log_in(&person.identifier, PASSWORD).await.assert_status(200);
        }
        let hashes = app.counters().hashes;
        app.log_in(&person.identifier, PASSWORD).await.assert_problem(429, "rate_limited");
        assert_eq!(app.counters().hashes, hashes);
    }

    async fn the_mailbox_filters_by_recipient(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (ada, bob) = (app.register_person().await, app.register_person().await);
        for person in [&ada, &bob] {
            let items = app.mailbox(&person.identifier).await;
            assert_eq!(items.len(), 1);
            let item = &items[0];
            assert_eq!(item["to"], person.identifier.as_str());
            assert_eq!(item["channel"], "email");
            assert_eq!(item["code"].as_str().unwrap().len(), 6);
            assert!(item["text"].as_str().unwrap().contains(item["code"].as_str().unwrap()));
            assert!(item["sent_at"].is_string());
        }
        let all = app.get("/dev/mailbox").await.json();
        assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(all.as_object().map(serde_json::Map::len), Some(1), "a bare document, without the envelope");
    }
}
