//! As much of W3C `WebDriver` as these tests need, with the virtual authenticators of Web Authentication
//! Level 3 §12.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::servers::{BrowserDriver, browser};

/// A browser with one window.
pub(crate) struct Browser {
    _driver: BrowserDriver,
    client: reqwest::Client,
    session: String,
}

/// A virtual authenticator of a browser.
pub(crate) struct Device(String);

impl Browser {
    pub(crate) async fn start() -> Self {
        let driver = BrowserDriver::start().await;
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("an HTTP client");
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "webauthn:virtualAuthenticators": true,
            "goog:chromeOptions": {"binary": browser(), "args": arguments},
        }}});
        let begun = client
            .post(format!("{}/session", driver.url()))
            .json(&capabilities)
            .send()
            .await
            .expect("the driver answers");
        let begun: Value = begun.json().await.expect("JSON");
        let id = begun["value"]["sessionId"].as_str();
        let id = id.unwrap_or_else(|| panic!("no browser: {begun}"));
        let session = format!("{}/session/{id}", driver.url());
        Self {
            _driver: driver,
            client,
            session,
        }
    }

    /// Ends it. What is not ended so ends with its driver.
    pub(crate) async fn close(self) {
        self.command(Method::DELETE, "", &Value::Null).await;
    }

    pub(crate) async fn open(&self, url: &str) {
        self.command(Method::POST, "/url", &json!({"url": url}))
            .await;
    }

    /// What a promise of the page comes to, or why it is rejected: the name of the error.
    pub(crate) async fn settle(&self, promise: &str, arguments: &[Value]) -> Result<Value, String> {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             (async (...given) => {promise})(...arguments) \
             .then(value => done({{value}}), error => done({{error: `${{error.name}}: ${{error.message}}`}}))"
        );
        let body = json!({"script": script, "args": arguments});
        let settled = self.command(Method::POST, "/execute/async", &body).await;
        match settled["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(settled["value"].clone()),
        }
    }

    /// [`Self::settle`] of what must not be rejected.
    pub(crate) async fn eval(&self, promise: &str, arguments: &[Value]) -> Value {
        let settled = self.settle(promise, arguments).await;
        settled.unwrap_or_else(|error| panic!("{promise}: {error}"))
    }

    /// A phone or a laptop that knows its user by a finger, and keeps passkeys.
    pub(crate) async fn add_device(&self) -> Device {
        let body = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "isUserConsenting": true,
        });
        let path = "/webauthn/authenticator";
        let id = self.command(Method::POST, path, &body).await;
        Device(id.as_str().expect("an id").to_owned())
    }

    /// The passkeys on a device, with their private keys.
    pub(crate) async fn passkeys(&self, device: &Device) -> Vec<Value> {
        let path = format!("/webauthn/authenticator/{}/credentials", device.0);
        let found = self.command(Method::GET, &path, &Value::Null).await;
        found.as_array().expect("credentials").clone()
    }

    /// Puts a passkey on a device.
    pub(crate) async fn add_passkey(&self, device: &Device, passkey: &Value) {
        let path = format!("/webauthn/authenticator/{}/credential", device.0);
        self.command(Method::POST, &path, passkey).await;
    }

    /// Takes a device away, with its passkeys.
    pub(crate) async fn remove_device(&self, device: Device) {
        let path = format!("/webauthn/authenticator/{}", device.0);
        self.command(Method::DELETE, &path, &Value::Null).await;
    }

    async fn command(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self
            .client
            .request(method, format!("{}{path}", self.session));
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let answer = request.send().await.expect("the driver answers");
        let is_success = answer.status().is_success();
        let answer: Value = answer.json().await.expect("JSON");
        assert!(is_success, "{path}: {answer}");
        answer["value"].clone()
    }
}
