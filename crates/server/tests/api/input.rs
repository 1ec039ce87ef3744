//! Bad input gets a clear problem document, and leaves nothing behind.

use serde_json::{Value, json};

use crate::{
    answer::Answer,
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD},
};

/// Every route that takes a body without a bearer token, with a body that it takes.
fn public_posts() -> Vec<(&'static str, Value)> {
    vec![
        (
            "/api/v1/auth/register",
            json!({"email": "a@example.com", "password": PASSWORD}),
        ),
        (
            "/api/v1/auth/verify-otp",
            json!({"challenge_id": "0".repeat(32), "code": "123456"}),
        ),
        (
            "/api/v1/auth/resend-otp",
            json!({"challenge_id": "0".repeat(32)}),
        ),
        (
            "/api/v1/auth/login",
            json!({"identifier": "a@example.com", "password": PASSWORD}),
        ),
        (
            "/api/v1/auth/login/otp",
            json!({"identifier": "a@example.com"}),
        ),
        (
            "/api/v1/auth/mfa/webauthn/options",
            json!({"challenge_id": "0".repeat(32)}),
        ),
        (
            "/api/v1/auth/mfa/webauthn/verify",
            json!({"challenge_id": "0".repeat(32), "credential": {
                "id": "AQID", "rawId": "AQID", "type": "public-key",
                "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AQ"},
            }}),
        ),
        (
            "/api/v1/auth/passkey/verify",
            json!({"challenge_id": "0".repeat(32), "credential": {
                "id": "AQID", "rawId": "AQID", "type": "public-key",
                "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AQ"},
            }}),
        ),
        (
            "/api/v1/auth/google",
            json!({"id_token": "a.b.c", "role": "client"}),
        ),
        (
            "/api/v1/auth/google/authorize",
            json!({"redirect_uri": "https://shop.example/auth/google"}),
        ),
        (
            "/api/v1/auth/google/callback",
            json!({"code": "c", "state": "0".repeat(32), "binding": "1".repeat(32)}),
        ),
        (
            "/api/v1/auth/providers/entra",
            json!({"id_token": "a.b.c", "role": "client"}),
        ),
        (
            "/api/v1/auth/token/refresh",
            json!({"refresh_token": "fa_rt_v1.x"}),
        ),
        (
            "/api/v1/auth/password/reset",
            json!({"identifier": "a@example.com"}),
        ),
        (
            "/api/v1/auth/password/reset/confirm",
            json!({"token": "0".repeat(32), "new_password": OTHER_PASSWORD}),
        ),
        ("/api/v1/auth/not-me", json!({"token": "0".repeat(32)})),
        (
            "/api/v1/auth/identifier/undo",
            json!({"token": "0".repeat(32)}),
        ),
    ]
}

impl TestApp {
    async fn post_raw(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self
            .request("POST", path)
            .header("content-type", content_type)
            .body(body);
        self.send(request).await
    }

    async fn assert_nothing_was_kept(&self) {
        for table in [
            "accounts",
            "challenges",
            "code_dispatches",
            "message_quotas",
            "outbox_messages",
            "outbox_events",
            "sessions",
            "devices",
            "sign_in_failures",
            "audit_entries",
        ] {
            assert_eq!(self.count(table).await, 0, "{table}");
        }
    }
}

testkit::on_every_engine! {
    async fn what_the_parser_refuses_is_400(engine: Engine) {
        let app = TestApp::start(engine).await;
        for (path, good) in public_posts() {
            let good = good.to_string();
            let open = good.trim_end_matches('}');
            let (first, _) = good[1..].split_once(':').unwrap();
            let deep = format!("{open},\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
            let bodies: Vec<Vec<u8>> = vec![
                b"".to_vec(), b"{".to_vec(), b"null".to_vec(), b"[]".to_vec(), b"\"x\"".to_vec(), b"1".to_vec(),
                b"\xff\xfe".to_vec(), b"{\"a\":\"\xc3\x28\"}".to_vec(),
                format!("{good}x").into_bytes(),
                format!("{good}{good}").into_bytes(),
                format!("{open},\"is_admin\":true}}").into_bytes(),
                format!("{open},{first}:\"twice\"}}").into_bytes(),
                format!("{{{first}:1}}").into_bytes(),
                format!("{{{first}:[]}}").into_bytes(),
                format!("{{{first}:{{}}}}").into_bytes(),
                format!("{{{first}:true}}").into_bytes(),
                format!("{{{first}:\"\\ud800\"}}").into_bytes(),
                format!("{{{first}:{}}}", "9".repeat(1_000)).into_bytes(),
            ];
            for body in bodies {
                let shown = String::from_utf8_lossy(&body).into_owned();
                let answer = app.post_raw(path, "application/json", body).await;
                assert_eq!(answer.status, 400, "{path} {shown}: {answer:?}");
                answer.assert_problem(400, "malformed_request");
            }
            let answer = app.post_raw(path, "application/json", deep).await;
            assert!(matches!(answer.status.as_u16(), 400 | 413), "{path}: {answer:?}");
        }
        app.assert_nothing_was_kept().await;
    }

    async fn another_media_type_is_415_and_too_much_is_413(engine: Engine) {
        let app = TestApp::start(engine).await;
        for (path, good) in public_posts() {
            for media in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/jsonx", "x"] {
                app.post_raw(path, media, good.to_string()).await.assert_problem(415, "unsupported_media_type");
            }
            let bare = app.send(app.request("POST", path).body(good.to_string())).await;
            bare.assert_problem(415, "unsupported_media_type");
            app.post_raw(path, "application/json", " ".repeat(1_000_000)).await.assert_problem(413, "payload_too_large");
            let packed = app.request("POST", path)
                .header("content-type", "application/json")
                .header("content-encoding", "gzip")
                .body(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
            let answer = app.send(packed).await;
            assert!(matches!(answer.status.as_u16(), 400 | 415), "{answer:?}");
        }
        app.assert_nothing_was_kept().await;
    }

    async fn text_that_breaks_a_rule_is_422(engine: Engine) {
        let app = TestApp::start(engine).await;
        let long = format!("{}@example.com", "a".repeat(400));
        let identifiers = ["", " ", "a", "a@", "@b.co", "a@b@c.co", "a b@c.co", "a@b.co\r\nBcc: x@y.co", "a\u{0}@b.co",
            "аdmin@example.com", "a\u{202e}@b.co", "08012345678", "+0", "+1800FLOWERS", "*", "a@example.com\u{0}", &long];
        for path in ["/api/v1/auth/login/otp", "/api/v1/auth/password/reset"] {
            for identifier in identifiers {
                let answer = app.post(path, &json!({"identifier": identifier})).await;
                answer.assert_problem(422, "validation_failed");
                assert_eq!(answer.json()["errors"][0]["field"], "identifier", "{answer:?}");
            }
        }
        for identifier in identifiers {
            app.ask_to_register(identifier, PASSWORD).await.assert_problem(422, "validation_failed");
            app.log_in(identifier, PASSWORD).await.assert_problem(422, "validation_failed");
        }
        for password in ["", "tab\there-and-there", "nul\u{0}nul-nul-nul"] {
            app.log_in("a@example.com", password).await.assert_problem(422, "validation_failed");
        }
        for code in ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12345\u{0}"] {
            app.verify(&"0".repeat(32), code).await.assert_problem(422, "validation_failed");
        }
        for country in ["", "X", "XX", "Nigeria", "\u{0}"] {
            let body = json!({"email": "a@example.com", "password": PASSWORD, "country": country});
            app.post("/api/v1/auth/register", &body).await.assert_problem(422, "validation_failed");
        }
        app.assert_nothing_was_kept().await;
    }

    async fn challenges_and_tokens_that_never_were_are_401(engine: Engine) {
        let app = TestApp::start(engine).await;
        for challenge in ["0".repeat(32), "x".to_owned(), "' OR 1=1 --".replace(' ', "+"), "x".repeat(128)] {
            app.verify(&challenge, "123456").await.assert_problem(401, "invalid_code");
            let body = json!({"challenge_id": challenge});
            app.post("/api/v1/auth/resend-otp", &body).await.assert_problem(401, "invalid_code");
            let body = json!({"token": challenge, "new_password": OTHER_PASSWORD});
            app.post("/api/v1/auth/password/reset/confirm", &body).await.assert_problem(401, "invalid_code");
        }
        for token in ["fa_rt_v1.x", "x", "' OR 1=1", "\u{0}", "{}"] {
            app.refresh(token).await.assert_problem(401, "invalid_refresh_token");
        }
        app.assert_nothing_was_kept().await;
    }

    async fn junk_in_headers_does_no_harm(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let long = "x".repeat(3_000);
        for value in ["' OR 1=1 --", "\"><script>", "${jndi:ldap://x}", "\u{1b}[31m", long.as_str()] {
            let Ok(value) = reqwest::header::HeaderValue::from_bytes(value.as_bytes()) else { continue };
            for name in ["user-agent", "referer", "x-request-id", "x-device-token", "x-forwarded-for", "forwarded", "accept-language"] {
                let request = app.request("POST", "/api/v1/auth/login").header(name, value.clone()).json(&person.credentials());
                let answer = app.send(request).await;
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
                assert_ne!(answer.header("x-request-id").unwrap().as_bytes(), value.as_bytes());
                app.advance_seconds(5);
            }
        }
        for key in ["", &"k".repeat(256), "kéy"] {
            let request = app.request("POST", "/api/v1/auth/register")
                .header("Idempotency-Key", reqwest::header::HeaderValue::from_bytes(key.as_bytes()).unwrap())
                .json(&json!({"email": "b@example.com", "password": PASSWORD}));
            let answer = app.send(request).await;
            assert!(matches!(answer.status.as_u16(), 400 | 422), "{key}: {answer:?}");
        }
    }

    async fn a_sane_request_id_is_echoed_and_another_is_made(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kept = app.send(app.request("GET", "/health/live").header("x-request-id", "abc-123")).await;
        assert_eq!(kept.header("x-request-id"), Some("abc-123"));
        let made = app.get("/health/live").await;
        assert!(made.header("x-request-id").unwrap().len() >= 16);
        let other = app.get("/health/live").await;
        assert_ne!(made.header("x-request-id"), other.header("x-request-id"));
    }
}
