//! HTTP to a service in trouble.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::process::Service;

/// Longest that an answer, or a fact that follows by itself, is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Speaks to both listeners of a service.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    public: SocketAddr,
    management: SocketAddr,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) body: Value,
}

impl Answer {
    /// 503, and when to come back.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.status == 503 && self.retry_after.is_some_and(|seconds| seconds > 0)
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A text of `data`.
    pub(crate) fn text(&self, pointer: &str) -> String {
        let text = self.body["data"].pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no {pointer} in {self:?}"))
            .to_owned()
    }
}

impl Client {
    pub(crate) fn of(service: &Service) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .expect("an HTTP client");
        Self {
            http,
            public: service.public,
            management: service.management,
        }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        ask(self.http.post(self.url(path)).json(body)).await
    }

    pub(crate) async fn post_as(&self, token: &str, path: &str) -> Answer {
        ask(self.http.post(self.url(path)).bearer_auth(token)).await
    }

    pub(crate) async fn patch_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        ask(self
            .http
            .patch(self.url(path))
            .bearer_auth(token)
            .json(body))
        .await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Answer {
        ask(self.http.get(self.url(path)).bearer_auth(token)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        ask(self.http.get(self.url(path))).await
    }

    pub(crate) async fn register(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": crate::visitor::PASSWORD});
        self.post("/api/v1/auth/register", &body).await
    }

    /// Waits until both listeners say that the service is in this state, and gives what one says of the servers it
    /// depends on: `name=state`.
    pub(crate) async fn until_readiness_is(&self, status: &str) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let mut told = Vec::new();
            for address in [self.public, self.management] {
                let url = format!("http://{address}/health/ready");
                let answer = ask(self.http.get(url)).await;
                let is_of_use = status == "ready" || status == "degraded";
                if answer.body["status"] == status {
                    assert_eq!(answer.status, if is_of_use { 200 } else { 503 });
                    told.push(answer.body);
                }
            }
            if let [_, management] = told.as_slice() {
                let dependencies = management["dependencies"].as_array().expect("a list");
                let text = |it: &Value, name: &str| it[name].as_str().expect("a text").to_owned();
                return dependencies
                    .iter()
                    .filter(|it| it["name"] != "clock")
                    .map(|it| format!("{}={}", text(it, "name"), text(it, "state")))
                    .collect();
            }
            assert!(begun.elapsed() < PATIENCE, "not {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The newest code that went to somebody.
    pub(crate) async fn code_for(&self, email: &str) -> String {
        let begun = Instant::now();
        loop {
            let answer = self.get(&format!("/dev/mailbox?to={email}")).await;
            if let Some(code) = answer.body["items"][0]["code"].as_str() {
                return code.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "no code for {email}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public)
    }
}

/// Every request is answered, whatever is wrong: that there is an answer is the first thing all tests show.
async fn ask(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().expect("ASCII").to_owned());
    let body = answer.bytes().await.expect("a whole answer");
    Answer {
        status,
        retry_after: retry_after.map(|value| value.parse().expect("seconds")),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}
