//! A site with one page, and the service behind it.

use std::path::Path;

use serde_json::{Value, json};
use server::{Application, Handle, Overrides, config::Config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const PAGE: &str = include_str!("page.html");
/// A password that the policy takes.
pub(crate) const PASSWORD: &str = "lilac-Harbour-42-zeppelin";

/// Serves the page to whoever asks, as long as the test runs; gives the origin.
pub(crate) async fn serve_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4_096];
                let _ = connection.read(&mut head).await;
                let length = PAGE.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\
                     Content-Length: {length}\r\nConnection: close\r\n\r\n{PAGE}"
                );
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    format!("http://localhost:{port}")
}

/// The embedded service, whose passkeys belong to `localhost`.
pub(crate) struct Service {
    pub(crate) api: String,
    client: reqwest::Client,
    handle: Handle,
}

impl Service {
    /// Pages of these origins may call it; passkeys are taken from the first of them alone.
    pub(crate) async fn start(data_dir: &Path, origins: &[&str]) -> Self {
        let mut config = Config::for_tests(data_dir);
        config.http.cors_origins = origins.iter().map(|it| (*it).to_owned()).collect();
        config.webauthn.origins = vec![origins[0].to_owned()];
        let application = Application::build(config, Overrides::default());
        let application = application.await.expect("the service starts");
        let api = format!("http://{}", application.public_address());
        let client = reqwest::Client::builder().no_proxy().build();
        Self {
            api,
            client: client.expect("an HTTP client"),
            handle: application.spawn(),
        }
    }

    pub(crate) async fn stop(self) {
        self.handle.shut_down().await;
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.api);
        let answer = self.client.post(url).json(body).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    /// A new person's access token.
    pub(crate) async fn register(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let (status, challenge) = self.post("/auth/register", &body).await;
        assert_eq!(status, 202, "{challenge}");
        let code = self.code_sent_to(email).await;
        let body = json!({"challenge_id": challenge["data"]["challenge_id"], "code": code});
        let (status, signed_in) = self.post("/auth/verify-otp", &body).await;
        assert_eq!(status, 201, "{signed_in}");
        let token = signed_in["data"]["tokens"]["access_token"].as_str();
        token.expect("a token").to_owned()
    }

    /// Asks for it until it is there.
    pub(crate) async fn code_sent_to(&self, email: &str) -> String {
        loop {
            let url = format!("{}/dev/mailbox", self.api);
            let mailbox = self.client.get(url).query(&[("to", email)]).send().await;
            let mailbox: Value = mailbox.expect("a mailbox").json().await.expect("JSON");
            if let Some(code) = mailbox["items"][0]["code"].as_str() {
                return code.to_owned();
            }
        }
    }
}
