//! The dependencies of the HTTP interface besides the use cases.

use std::time::Duration;

use actix_web::http::{Method, StatusCode, header::HeaderMap};
use async_trait::async_trait;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{ProblemCode, routes::RouteSpec};

/// The state of a dependency, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependencyStatus {
    /// It answers.
    Up,
    /// It answers, but not as it should; the service works around it.
    Degraded,
    /// It does not answer.
    Down,
}

/// Why a dependency isn't up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It cannot be reached, or does not answer in time.
    Unreachable,
    /// It is there, and all connections to it are in use, or it still loads what it knows.
    Busy,
    /// It has no room left to write, or cannot save.
    DiskFull,
    /// It answers, and has no memory left to write to.
    OutOfMemory,
    /// It answers, and takes no writes while it has fewer replicas than it is set to need.
    NoReplicas,
    /// It answers, and takes no writes: a replica, or set so.
    ReadOnly,
    /// It answers, and is not the one that it should be.
    WrongServer,
    /// It answers, and has no database of the configured number.
    NoSuchDatabase,
    /// It answers, and refuses some of what the service does.
    MissingRight,
    /// It answers, and broadcasts do not arrive.
    NotHeard,
    /// The clock of this machine is behind the time that nodes share.
    ClockBehind,
    /// The clock of this machine is ahead of it.
    ClockAhead,
}

/// A dependency of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DependencyState {
    /// The id.
    #[schema(value_type = String, example = "database")]
    pub name: &'static str,
    /// Its state.
    pub state: DependencyStatus,
    /// Whether the service needs it to work.
    pub required: bool,
    /// Why it isn't up; empty if it is.
    pub causes: Vec<Cause>,
}

impl DependencyState {
    /// A healthy dependency.
    pub const fn up(name: &'static str, required: bool) -> Self {
        Self {
            name,
            state: DependencyStatus::Up,
            required,
            causes: Vec::new(),
        }
    }

    /// The dependency with this cause added, and this state if it is worse than the present one.
    #[must_use]
    pub fn worse(mut self, state: DependencyStatus, cause: Cause) -> Self {
        self.state = self.state.max(state);
        if !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
        self
    }
}

/// Checks the dependencies of the service.
#[async_trait]
pub trait ReadinessProbe: Send + Sync {
    /// Answers within a second, and from a cache within a second after a check: the route is public and is not
    /// rate-limited.
    async fn check(&self) -> Vec<DependencyState>;
}

/// A message in the development mailbox.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailboxMessage {
    /// The recipient.
    #[schema(example = "ada@example.com")]
    pub to: String,
    /// `email` or `sms`.
    #[schema(example = "email")]
    pub channel: String,
    /// Empty for text messages.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The mail as HTML. Absent for text messages, and for all but the newest mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub html: Option<String>,
    /// The code in the message, if there is one.
    #[schema(required, example = "493817")]
    pub code: Option<String>,
    /// When it was sent.
    #[serde(with = "time::serde::rfc3339")]
    pub sent_at: OffsetDateTime,
}

/// The filter for messages of the development mailbox. `None` means no restriction.
#[derive(Debug, Clone, Copy, Default)]
pub struct MailboxQuery<'a> {
    /// The recipient, ignoring case.
    pub to: Option<&'a str>,
    /// A part of the recipient, the subject, the text or the code, ignoring case.
    pub contains: Option<&'a str>,
    /// The most messages to return.
    pub limit: Option<usize>,
}

/// The development mailbox.
pub trait MailboxView: Send + Sync {
    /// The messages, newest first.
    fn messages(&self, wanted: &MailboxQuery<'_>) -> Vec<MailboxMessage>;
}

/// Joins the span of a request to the trace in its headers.
pub trait TraceLink: Send + Sync {
    /// Makes `span` a child of the trace in `headers` (W3C `traceparent`), if there is one, and records the
    /// `trace_id` field, which every root span declares. Called before the span is entered.
    fn join(&self, span: &tracing::Span, headers: &HeaderMap);
}

/// An answered request, as far as metrics may see it.
#[derive(Debug)]
pub struct AnsweredRequest<'a> {
    /// The route that served it; `None` if no route has the path, or none has the method.
    pub route: Option<&'static RouteSpec>,
    /// The method as sent: any text, of any length.
    pub method: &'a Method,
    /// The status of the answer.
    pub status: StatusCode,
    /// The code of the refusal, if it was refused.
    pub refused_with: Option<ProblemCode>,
    /// The time from the head of the request to the head of the answer.
    pub took: Duration,
}

/// The metrics in the format of Prometheus.
#[derive(Debug)]
pub struct Exposition {
    /// The media type.
    pub media_type: &'static str,
    /// The text.
    pub text: Vec<u8>,
}

/// Measures the requests of the public listener. Called for every request: must not block.
pub trait HttpMeter: Send + Sync {
    /// A request was received.
    fn began(&self);
    /// A request was answered.
    fn answered(&self, request: &AnsweredRequest<'_>);
    /// A request was not answered, because its client disconnected.
    fn abandoned(&self);
    /// All metrics; `None` if nothing is measured.
    fn exposition(&self) -> Option<Exposition>;
}

/// Measures nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHttpMeter;

impl HttpMeter for NoHttpMeter {
    fn began(&self) {}

    fn answered(&self, _: &AnsweredRequest<'_>) {}

    fn abandoned(&self) {}

    fn exposition(&self) -> Option<Exposition> {
        None
    }
}
