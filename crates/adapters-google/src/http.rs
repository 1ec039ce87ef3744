//! The HTTP client, which connects to the provider only.

use std::{future::Future, pin::Pin, time::Duration};

use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::{
    Client, Request, Response, StatusCode,
    header::{ACCEPT, HeaderValue},
    redirect, retry, tls,
};
use url::Url;

use crate::{InvalidProvider, ProviderConfig};

/// The time limit for establishing a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit for one request, answer included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// The most bytes that are read of an answer. Key sets and token answers are a few KiB.
const MOST_OF_AN_ANSWER: usize = 256 * 1024;
/// How long an idle connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// Why there is no answer. `reqwest`'s messages are not used: they contain the URL, whose query may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("the provider cannot be reached")]
    Unreached,
    #[error("the provider does not answer in time")]
    TooSlow,
    #[error("the connection to the provider broke")]
    Broken,
    #[error("the provider's answer is too large")]
    TooLarge,
    #[error("the provider answers {0}")]
    Status(u16),
    #[error("the request cannot be made")]
    Unmade,
}

/// An HTTP client without redirects, proxies and retries.
pub(crate) struct Http {
    client: Client,
}

impl Http {
    pub(crate) fn new(config: &ProviderConfig) -> Result<Self, InvalidProvider> {
        let client = Client::builder()
            .user_agent("fashionistar-auth")
            // A redirect could send a code to another host, or have keys fetched from one.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .https_only(!config.allow_loopback)
            .tls_version_min(tls::Version::TLS_1_2)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(InvalidProvider::Client)?;
        Ok(Self { client })
    }

    /// Fetches a JSON document; any status but 200 is an error.
    pub(crate) async fn document(&self, url: &Url) -> Result<Vec<u8>, HttpError> {
        let request = self
            .client
            .get(url.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .build()
            .map_err(|_| HttpError::Unmade)?;
        let answer = self.send(request).await?;
        if answer.status() == StatusCode::OK {
            read(answer).await
        } else {
            Err(HttpError::Status(answer.status().as_u16()))
        }
    }

    async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let answer = self
            .client
            .execute(request)
            .await
            .map_err(|error| told(&error))?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpError::Status(status.as_u16()));
        }
        Ok(answer)
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = Request::try_from(request).map_err(|_| HttpError::Unmade)?;
        let answer = self.send(request).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = HttpResponse::new(read(answer).await?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + Sync + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.exchange(request))
    }
}

async fn read(mut answer: Response) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| told(&error))? {
        if body.len() + part.len() > MOST_OF_AN_ANSWER {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

fn told(error: &reqwest::Error) -> HttpError {
    if error.is_timeout() {
        HttpError::TooSlow
    } else if error.is_connect() {
        HttpError::Unreached
    } else {
        HttpError::Broken
    }
}
