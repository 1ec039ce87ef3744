//! Requests that no client of ours makes, with values that are nowhere else in every part of them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use testkit::Engine;

use super::run::Run;
use crate::{answer::Answer, person::Tokens};

/// Every route that takes a body, with all its fields.
const BODIES: [(&str, &str, &[&str]); 11] = [
    (
        "POST",
        "/api/v1/auth/register",
        &[
            "email",
            "phone",
            "identifier",
            "password",
            "role",
            "display_name",
            "country",
        ],
    ),
    ("POST", "/api/v1/auth/verify-otp", &["challenge_id", "code"]),
    ("POST", "/api/v1/auth/resend-otp", &["challenge_id"]),
    (
        "POST",
        "/api/v1/auth/login",
        &["identifier", "email", "phone", "password"],
    ),
    (
        "POST",
        "/api/v1/auth/login/otp",
        &["identifier", "email", "phone"],
    ),
    ("POST", "/api/v1/auth/token/refresh", &["refresh_token"]),
    (
        "POST",
        "/api/v1/auth/password/reset",
        &["identifier", "email", "phone"],
    ),
    (
        "POST",
        "/api/v1/auth/password/reset/confirm",
        &["challenge_id", "code", "token", "new_password"],
    ),
    (
        "POST",
        "/api/v1/auth/password/change",
        &["current_password", "new_password"],
    ),
    (
        "PATCH",
        "/api/v1/me",
        &[
            "display_name",
            "first_name",
            "last_name",
            "country",
            "language",
        ],
    ),
    ("POST", "/api/v1/auth/logout", &[]),
];

impl Run {
    pub(crate) async fn every_abuse(&self) {
        let access = self.access_token().await;
        Box::pin(self.bad_bodies(&access)).await;
        self.look_into_redis();
        self.bad_headers(&access).await;
        self.bad_urls(&access).await;
        self.look_into_redis();
    }

    async fn access_token(&self) -> String {
        let (email, password) = (self.email(), self.password());
        let challenge = self
            .post(
                "/api/v1/auth/register",
                json!({"email": email, "password": password}),
            )
            .await;
        let messages = self.app.messages_to(&email, 1).await;
        self.secrets.collect(&Value::from(messages.clone()));
        let proof = json!({"challenge_id": challenge.text_of("/challenge_id"), "code": messages[0]["code"]});
        Tokens::of(&self.post("/api/v1/auth/verify-otp", proof).await).access
    }

    fn junk(&self) -> String {
        self.secrets.make("junk")
    }

    async fn send_raw(
        &self,
        access: &str,
        route: (&str, &str),
        media: &str,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let request = self.request(route.0, route.1).bearer_auth(access);
        self.send(request.header("Content-Type", media).body(body.into()))
            .await
    }

    async fn bad_bodies(&self, access: &str) {
        for (method, path, fields) in BODIES {
            // Signed-in calls that hash are counted together, twenty a minute.
            if path.ends_with("password/change") {
                self.app.advance_seconds(61);
            }
            for field in fields {
                self.bad_values(access, (method, path), field).await;
            }
            let Some(first) = fields.first() else {
                continue;
            };
            // Calls that hash and send are counted for the account, twenty an hour: the others come from somebody else.
            let another;
            let access = if path.ends_with("password/change") {
                another = self.somebody().await;
                another.tokens.access.as_str()
            } else {
                access
            };
            let junk = || self.junk();
            let texts = [
                junk(),
                format!("\"{}\"", junk()),
                format!("[\"{}\"]", junk()),
                format!("{{\"{}", junk()),
                format!("{{\"{first}\": \"{}", junk()),
                format!("{{\"{}\": \"{}\"}}", junk(), junk()),
                format!(
                    "{{\"{first}\": \"{}\", \"{}\": \"{}\"}}",
                    junk(),
                    junk(),
                    junk()
                ),
                format!(
                    "{{\"{first}\": \"{}\", \"{first}\": \"{}\"}}",
                    junk(),
                    junk()
                ),
                format!("{{\"{first}\": \"{}\"}} {}", junk(), junk()),
                format!("{{\"{first}\": \"{}\\ud800\"}}", junk()),
            ];
            for text in texts {
                let answer = self
                    .send_raw(access, (method, path), "application/json", text.clone())
                    .await;
                assert_eq!(answer.status, 400, "{path} {text}: {answer:?}");
            }
            let not_text = [b"{\"\xff", junk().as_bytes(), b"\": 1}"].concat();
            let answer = self
                .send_raw(access, (method, path), "application/json", not_text)
                .await;
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
            let long = format!("{{\"{first}\": \"{}\"}}", junk().repeat(10_000));
            let answer = self
                .send_raw(access, (method, path), "application/json", long)
                .await;
            assert_eq!(answer.status, 413, "{path}: {answer:?}");
            for media in [
                "text/plain".to_owned(),
                format!("application/{}", junk()),
                junk(),
            ] {
                let answer = self.send_raw(access, (method, path), &media, junk()).await;
                assert_eq!(answer.status, 415, "{path} {media}: {answer:?}");
            }
        }
    }

    /// Values that the rules refuse, and values that are no text.
    async fn bad_values(&self, access: &str, route: (&str, &str), field: &str) {
        let junk = || self.junk();
        for value in [
            json!(junk()),
            json!(format!("{}\u{0}", junk())),
            json!(format!("{}\u{202e}\r\n", junk())),
            json!(junk().repeat(30)),
            json!([junk()]),
            json!({junk(): junk()}),
            json!({"a": {"b": [junk()]}}),
        ] {
            let body = json!({field: value});
            let answer = self
                .send_raw(access, route, "application/json", body.to_string())
                .await;
            // A profile takes whatever can be shown as a name.
            let is_name = route.0 == "PATCH" && answer.status == 200;
            assert!(
                is_name || answer.status.is_client_error(),
                "{route:?} {body}: {answer:?}"
            );
        }
    }

    async fn bad_headers(&self, access: &str) {
        let junk = || self.junk();
        let claims = URL_SAFE_NO_PAD.encode(format!("{{\"sub\":\"{}\"}}", junk()));
        let (header, _) = access.split_once('.').expect("a JWT");
        let signature = access.rsplit('.').next().expect("a signature");
        for authorization in [
            junk(),
            format!("Bearer {}", junk()),
            format!("Bearer {}.{}.{}", junk(), junk(), junk()),
            format!("Bearer {header}.{claims}.{signature}"),
            format!("Bearer {header}.{claims}.{}", junk()),
            format!("Bearer {access} {}", junk()),
            format!(
                "Basic {}",
                URL_SAFE_NO_PAD.encode(format!("{}:{}", junk(), junk()))
            ),
            format!("{} {}", junk(), junk()),
        ] {
            let request = self
                .request("GET", "/api/v1/me")
                .header("Authorization", authorization);
            self.send(request).await.assert_status(401);
        }
        for name in [
            "X-Request-Id",
            "X-Device-Token",
            "Cookie",
            "Referer",
            "Origin",
            "Accept",
            "Accept-Language",
            "Accept-Encoding",
            "Forwarded",
            "X-Real-Ip",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Api-Key",
            "If-None-Match",
            "Range",
            "traceparent",
            "tracestate",
            "baggage",
            "Content-Language",
            "DPoP",
            "X-HTTP-Method-Override",
        ] {
            // Not the token that a request id has to be, nor an origin, nor anything else in its place.
            for value in [
                format!("{} {}", junk(), junk()),
                format!("https://{}.example/{}", junk(), junk()),
            ] {
                let request = self
                    .request("GET", "/api/v1/me")
                    .bearer_auth(access)
                    .header(name, value);
                let answer = self.send(request).await;
                assert!(
                    answer.status == 200 || answer.status.is_client_error(),
                    "{name}: {answer:?}"
                );
            }
        }
        let not_text =
            HeaderValue::from_bytes(&[junk().as_bytes(), b"\xff"].concat()).expect("a header");
        for name in [
            "Authorization",
            "X-Request-Id",
            "X-Device-Token",
            "X-Forwarded-For",
            "Idempotency-Key",
        ] {
            let request = self
                .app
                .request("POST", "/api/v1/auth/login")
                .header(name, not_text.clone());
            let body = json!({"identifier": self.email(), "password": self.password()});
            assert!(
                self.send(request.json(&body))
                    .await
                    .status
                    .is_client_error(),
                "{name}"
            );
        }
        let preflight = self
            .request("OPTIONS", "/api/v1/auth/login")
            .header("Origin", format!("https://{}.example", junk()))
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", junk());
        let answer = self.send(preflight).await;
        assert!(!answer.status.is_server_error(), "{answer:?}");
    }

    async fn bad_urls(&self, access: &str) {
        let junk = || self.junk();
        for path in [
            format!("/{}", junk()),
            format!("/api/v1/{}?{}={}", junk(), junk(), junk()),
            format!(
                "/api/v1/auth/login?email={}%40example.com&password={}",
                junk(),
                junk()
            ),
            format!("/api/v1/auth/password/reset/confirm?token={}", junk()),
            format!("/api/v1/me?access_token={}", junk()),
            format!("/api/v1/me/sessions?cursor={}", junk()),
            format!("/api/v1/me/sessions?limit={}", junk()),
            format!("/api/v1/me/sessions?{}=1", junk()),
            format!("/api/v1/me/sessions/{}", junk()),
            format!("/api/v1/me/sessions/{}/..%2f{}", junk(), junk()),
            format!("/health/live?{}={}", junk(), junk()),
            format!("/openapi.json?{}", junk()),
            format!("/.well-known/jwks.json?{}", junk()),
            format!("/dev/mailbox?to={}%40example.com", junk()),
        ] {
            for method in ["GET", "POST", "DELETE", "PUT"] {
                let request = self.request(method, &path).bearer_auth(access);
                let answer = self.send(request).await;
                assert!(
                    !answer.status.is_server_error(),
                    "{method} {path}: {answer:?}"
                );
            }
        }
        let method = junk();
        let answer = self.send(self.request(&method, "/api/v1/me")).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        if self.engine == Engine::Production {
            let body = json!({"identifier": format!("{}*\r\nSET x y", junk()), "password": self.password()});
            self.post("/api/v1/auth/login", body)
                .await
                .assert_problem(422, "validation_failed");
        }
    }
}
