//! The whole application, called as a client would.

mod forms;
mod kept;
mod limits;
mod listeners;
mod logs;
mod routing;
mod surroundings;

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

/// An application that can be called more than once.
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

/// The middleware around every handler, with handlers that are not in the table of routes.
async fn misbehaving_app(state: Arc<ApiState>) -> TestApp {
    let app = App::new()
        .app_data(State::from(state))
        .service(resource(PANICS.path, &[&PANICS]))
        .service(resource(HANGS.path, &[&HANGS]))
        .wrap(from_fn(|request, next| {
            boundary::enter(Listener::Public, request, next)
        }));
    TestApp::new(app).await
}
