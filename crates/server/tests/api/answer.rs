//! What came back over HTTP.

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.expect("a readable body"),
        }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The `data` of a success.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json()["data"].clone()
    }

    /// A text field of `data`.
    #[track_caller]
    pub(crate) fn text_of(&self, pointer: &str) -> String {
        let data = self.data();
        let value = data.pointer(pointer).and_then(Value::as_str);
        value
            .unwrap_or_else(|| panic!("no text at {pointer}: {self:?}"))
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Asserts a problem document of this status and code, with everything such a document promises.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        let media = self.header("content-type").unwrap_or_default();
        assert!(media.starts_with("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        for field in ["type", "title", "detail", "request_id"] {
            let text = problem[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no {field}: {self:?}");
        }
        assert_eq!(
            Some(problem["request_id"].as_str().unwrap()),
            self.header("x-request-id")
        );
        self
    }

    /// Asserts that all answers to one request that was sent many times at once are the same, or say that it is being
    /// answered.
    #[track_caller]
    pub(crate) fn assert_one(answers: &[Self]) {
        let (given, other): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == 200);
        assert!(!given.is_empty(), "{answers:?}");
        for answer in &given {
            assert_eq!(answer.data(), given[0].data());
        }
        assert!(other.iter().all(|answer| answer.status == 409), "{other:?}");
    }

    /// Asserts a success of this status.
    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}
