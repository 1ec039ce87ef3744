//! HTTP to a service that may be gone in the middle of an answer.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::sync::watch;

/// Longest that one answer is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// The newest code for each address, as far as the mailbox was read.
pub(crate) type Codes = watch::Receiver<HashMap<String, String>>;

/// The service did not answer.
#[derive(Debug)]
pub(crate) struct Gone;

/// Speaks to one run of the service.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: SocketAddr,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            // Sooner than the service would close the connection while we write to it.
            .pool_idle_timeout(Duration::from_secs(1))
            .build()
            .expect("an HTTP client");
        Self { http, address }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), Gone> {
        let url = format!("http://{}{path}", self.address);
        Self::read(self.http.post(url).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Result<(u16, Value), Gone> {
        let request = self.http.get(format!("http://{}{path}", self.address));
        Self::read(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    /// An answer counts when it was read whole.
    async fn read(request: reqwest::RequestBuilder) -> Result<(u16, Value), Gone> {
        let answer = request.send().await.map_err(|_| Gone)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(|_| Gone)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}
