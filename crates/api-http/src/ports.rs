//! What the HTTP interface needs beside the use cases.

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
    /// One that is as it should be.
    pub const fn up(name: &'static str, required: bool) -> Self {
        Self {
            name,
            state: DependencyStatus::Up,
            required,
            causes: Vec::new(),
        }
    }

    /// The same, if it is worse off for this reason.
    #[must_use]
    pub fn worse(mut self, state: DependencyStatus, cause: Cause) -> Self {
        self.state = self.state.max(state);
        if !self.causes.contains(&cause) {
            self.causes.push(cause);
        }
        self
    }
}

/// Asks every dependency how it is.
#[async_trait]
pub trait ReadinessProbe: Send + Sync {
    /// Answers within a second, and from memory when it was asked within the last one: the route is open
    /// to everybody and is not counted.
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

/// Which messages of the development mailbox are asked for. What is `None` restricts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct MailboxQuery<'a> {
    /// The recipient, however the letters are cased.
    pub to: Option<&'a str>,
    /// What the recipient, the subject, the text or the code contains, however the letters are cased.
    pub contains: Option<&'a str>,
    /// How many, at most.
    pub limit: Option<usize>,
}

/// The development mailbox.
pub trait MailboxView: Send + Sync {
    /// What was sent, newest first.
    fn messages(&self, wanted: &MailboxQuery<'_>) -> Vec<MailboxMessage>;
}

/// Joins the span of a request to the trace it came with.
pub trait TraceLink: Send + Sync {
    /// Makes `span` a child of the trace in `headers` (W3C `traceparent`), if there is one, and records the
    /// `trace_id` field, which every root span declares. Called before the span is entered.
    fn join(&self, span: &tracing::Span, headers: &HeaderMap);
}

/// A request that was answered, as far as whoever counts may know it.
#[derive(Debug)]
pub struct AnsweredRequest<'a> {
    /// The route that served it; none when no route has the path, or none has the method.
    pub route: Option<&'static RouteSpec>,
    /// The method as it was sent: anything, of any length.
    pub method: &'a Method,
    /// What it was answered with.
    pub status: StatusCode,
    /// What it was refused with, if it was.
    pub refused_with: Option<ProblemCode>,
    /// From its head to the head of its answer.
    pub took: Duration,
}

/// What was measured, as it is shown to Prometheus.
#[derive(Debug)]
pub struct Exposition {
    /// Its media type.
    pub media_type: &'static str,
    /// The text.
    pub text: Vec<u8>,
}

/// Counts the requests of the public listener. Called for every one of them: must not wait.
pub trait HttpMeter: Send + Sync {
    /// A request came in.
    fn began(&self);
    /// It was answered.
    fn answered(&self, request: &AnsweredRequest<'_>);
    /// It was not: its client went away.
    fn abandoned(&self);
    /// What was measured in all; none when nothing is.
    fn exposition(&self) -> Option<Exposition>;
}

/// Counts nothing.
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
