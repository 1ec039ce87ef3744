//! A delivery: a POST request, and the meaning of the answer.

use std::{error::Error, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use authentication_app::ports::{EventSink, OutgoingEvent, SinkError};
use authentication_domain::events::QueuedEvent;
use common::retry_after;
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect, retry,
};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use crate::{
    address::Reach,
    resolver::{Lookup, OutOfReach, SystemLookup, WithinReach},
    signature::{SigningSecret, signatures},
    target::Target,
};

/// The upper bound of a configured deadline.
const LONGEST: Duration = Duration::from_secs(10);
/// The number of idle connections that are kept for the next event.
const IDLE_CONNECTIONS: usize = 4;
const IDLE: Duration = Duration::from_secs(30);
/// The most bytes of an answer that are read, and for how long, so that its connection can be reused.
const MOST_OF_AN_ANSWER: usize = 64 * 1024;
const READ_FOR: Duration = Duration::from_secs(1);

/// A receiver, and how it is called.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The URL of the receiver.
    pub target: Target,
    /// The secrets to sign with: the current one, and during a rotation also the previous or the next one.
    pub secrets: Vec<SigningSecret>,
    /// The time limit for a delivery; ten seconds at most.
    pub deadline: Duration,
    /// Which addresses the target's name may resolve to.
    pub reach: Reach,
}

/// The HTTP client cannot be set up, for example because there are no trusted certificates.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for webhooks cannot be made")]
pub struct WebhookSetupError(#[source] reqwest::Error);

/// Delivers events to one receiver.
pub struct WebhookSink {
    client: Client,
    target: Target,
    secrets: Vec<SigningSecret>,
    deadline: Duration,
}

impl WebhookSink {
    /// A sink with its own connections.
    ///
    /// # Errors
    /// [`WebhookSetupError`].
    pub fn new(config: WebhookConfig) -> Result<Self, WebhookSetupError> {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    fn with_lookup(
        config: WebhookConfig,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, WebhookSetupError> {
        let deadline = config.deadline.min(LONGEST);
        let client = Client::builder()
            .user_agent(concat!("fashionistar-auth/", env!("CARGO_PKG_VERSION")))
            // Proxy settings of the environment must not decide which host is connected to.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            // The relay decides about retries.
            .retry(retry::never())
            .http1_only()
            .https_only(!config.reach.loopback)
            .dns_resolver(WithinReach::new(lookup, config.reach))
            .timeout(deadline)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(WebhookSetupError)?;
        Ok(Self {
            client,
            target: config.target,
            secrets: config.secrets,
            deadline,
        })
    }
}

#[async_trait]
impl EventSink for WebhookSink {
    /// The status of the answer decides. The timestamp is that of the attempt, because receivers refuse old ones; id
    /// and body are the same at every attempt.
    #[tracing::instrument(name = "webhook.deliver", level = "debug", skip_all)]
    async fn deliver(&self, event: &OutgoingEvent, now: OffsetDateTime) -> Result<(), SinkError> {
        let began = Instant::now();
        let id = event.id.to_string();
        let timestamp = now.unix_timestamp();
        let answer = self
            .client
            .post(self.target.url().clone())
            .header(CONTENT_TYPE, QueuedEvent::MEDIA_TYPE)
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp)
            .header(
                "webhook-signature",
                signatures(&self.secrets, &id, timestamp, &event.body),
            )
            .body(event.body.clone())
            .send()
            .await
            .map_err(|error| not_sent(&error))?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| retry_after::pause(text, now));
        // The relay stops waiting at the deadline, and would then not see the status.
        let left = self.deadline.saturating_sub(began.elapsed());
        read_out(answer, READ_FOR.min(left / 2)).await;
        judge(status, retry_after)
    }
}

/// Reads a bounded part of an answer for a bounded time, and discards it.
async fn read_out(mut answer: Response, patience: Duration) {
    let reading = async {
        let mut read = 0;
        while let Ok(Some(part)) = answer.chunk().await {
            read += part.len();
            if read > MOST_OF_AN_ANSWER {
                break;
            }
        }
    };
    // An answer that is not read completely closes the connection.
    let _ = timeout(patience, reading).await;
}

/// Any failure may carry `Retry-After`. For one that is not about this event (`Away`), it applies to all events.
fn judge(status: StatusCode, retry_after: Option<time::Duration>) -> Result<(), SinkError> {
    let why = format!("answered {}", status.as_u16());
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::GONE => Err(SinkError::Gone(why)),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Err(SinkError::Away { why, retry_after })
        }
        _ if status.is_server_error() => Err(SinkError::Away { why, retry_after }),
        _ if status.is_redirection() => Err(SinkError::Refused {
            why: format!("{why}, and redirects are not followed"),
            retry_after,
        }),
        _ => Err(SinkError::Refused { why, retry_after }),
    }
}

/// `reqwest`'s messages are not used: they contain the URL, whose path may be a secret.
fn not_sent(error: &reqwest::Error) -> SinkError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if error.is::<OutOfReach>() {
            return SinkError::away(OutOfReach.to_string());
        }
        if let Some(error) = of_tls(error) {
            return SinkError::away(match error {
                rustls::Error::InvalidCertificate(_) => "its certificate is not trusted",
                _ => "TLS failed",
            });
        }
        cause = error.source();
    }
    SinkError::away(if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot be reached"
    } else {
        "the connection broke"
    })
}

/// The TLS error in an error, also inside an [`io::Error`], whose `source` skips the error that it wraps and returns
/// the source of that one.
fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(error) = error.downcast_ref() {
        return Some(error);
    }
    of_tls(error.downcast_ref::<io::Error>()?.get_ref()?)
}

#[cfg(test)]
mod tests;
