//! A test double of an OpenID provider. Tests decide what it publishes, signs and answers.

use std::{
    collections::HashMap,
    io::Write as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use super::gateway::{ReceivedRequest, read};

/// How long to wait for a client.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the provider treats requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenIdMood {
    /// As it should.
    Well,
    /// It answers 503.
    Overloaded,
    /// It reads a request and closes the connection without an answer.
    Gone,
    /// It reads a request, waits until the mood changes, and closes the connection without an answer.
    Silent,
    /// It redirects to the same path at this port.
    Elsewhere(u16),
    /// It answers correctly, followed by a megabyte of data.
    Verbose,
}

/// The provider. Its threads end with the test's process.
pub struct OpenIdDouble {
    port: u16,
    state: Arc<State>,
}

struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    mood: OpenIdMood,
    metadata: Value,
    keys: Vec<SigningKey>,
    /// The document served instead of the keys, if set.
    key_document: Option<String>,
    /// The answers of the token endpoint by code.
    grants: HashMap<String, Value>,
    requests: Vec<ReceivedRequest>,
}

struct SigningKey {
    id: String,
    pair: EcdsaKeyPair,
}

impl OpenIdDouble {
    /// A provider in the mood `Well`, with one key.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let issuer = issuer_at(port);
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        let inner = Inner {
            mood: OpenIdMood::Well,
            metadata,
            keys: vec![SigningKey::new("key-1")],
            key_document: None,
            grants: HashMap::new(),
            requests: Vec::new(),
        };
        let state = Arc::new(State {
            inner: Mutex::new(inner),
            changed: Condvar::new(),
        });
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&served);
                // The client may disconnect at any time, which is no error of the provider.
                thread::spawn(move || drop(state.serve(connection)));
            }
        });
        Self { port, state }
    }

    /// The port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> String {
        issuer_at(self.port)
    }

    /// Sets how requests are treated from now on.
    pub fn be(&self, mood: OpenIdMood) {
        self.state.lock().mood = mood;
        self.state.changed.notify_all();
    }

    /// Changes a field of the metadata; `null` removes it.
    pub fn say(&self, field: &str, value: Value) {
        let mut inner = self.state.lock();
        let document = inner.metadata.as_object_mut().expect("an object");
        if value.is_null() {
            document.remove(field);
        } else {
            document.insert(field.to_owned(), value);
        }
    }

    /// Replaces the signing key. The old one is no longer published.
    pub fn rotate_key(&self) {
        let mut inner = self.state.lock();
        let id = format!("key-{}", inner.requests.len() + 2);
        inner.keys = vec![SigningKey::new(&id)];
    }

    /// Publishes this document instead of the keys; `None` publishes the keys again.
    pub fn publish(&self, document: Option<&str>) {
        self.state.lock().key_document = document.map(str::to_owned);
    }

    /// An ID token with these claims, given as raw JSON, with a valid signature.
    pub fn raw_token(&self, claims: &[u8]) -> String {
        let inner = self.state.lock();
        let key = inner.keys.last().expect("a key");
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": key.id});
        key.sign_text(&format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims)
        ))
    }

    /// An ID token with these claims and a valid signature.
    pub fn token(&self, claims: &Value) -> String {
        let inner = self.state.lock();
        let key = inner.keys.last().expect("a key");
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": key.id});
        key.sign(&header, claims)
    }

    /// The same with another header.
    pub fn token_with_header(&self, header: &Value, claims: &Value) -> String {
        let inner = self.state.lock();
        inner.keys.last().expect("a key").sign(header, claims)
    }

    /// The public key, as published.
    pub fn public_key(&self) -> Value {
        self.state.lock().keys.last().expect("a key").published()
    }

    /// Sets the answer of the token endpoint for this code, used once: 200 with this ID token.
    pub fn grant(&self, code: &str, id_token: &str) {
        let answer = json!({
            "access_token": "of-no-use", "token_type": "Bearer", "expires_in": 60, "id_token": id_token,
        });
        self.answer(code, answer);
    }

    /// Sets the answer of the token endpoint for this code, used once.
    pub fn answer(&self, code: &str, answer: Value) {
        self.state.lock().grants.insert(code.to_owned(), answer);
    }

    /// The requests to a path so far.
    pub fn requests_to(&self, path: &str) -> Vec<ReceivedRequest> {
        let inner = self.state.lock();
        let of_path = inner.requests.iter().filter(|request| {
            let target = request.target.split(' ').nth(1).unwrap_or_default();
            target.split('?').next() == Some(path)
        });
        of_path.cloned().collect()
    }
}

/// A token with an arbitrary header and arbitrary bytes as its signature.
pub fn unsigned(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let text = signing_input(header, claims);
    format!("{text}.{}", BASE64.encode(signature))
}

/// A token with an HMAC under this secret instead of a signature.
pub fn maced(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let text = signing_input(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mac = hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", BASE64.encode(mac.as_ref()))
}

fn issuer_at(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

impl SigningKey {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&signing_input(header, claims))
    }

    fn sign_text(&self, text: &str) -> String {
        let random = SystemRandom::new();
        let signature = self
            .pair
            .sign(&random, text.as_bytes())
            .expect("a signature");
        format!("{text}.{}", BASE64.encode(signature.as_ref()))
    }

    /// RFC 7518 §6.2.1: an uncompressed point is 4, x and y.
    fn published(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]),
        })
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("the state of the provider")
    }

    fn serve(&self, mut connection: TcpStream) -> std::io::Result<()> {
        let request = read(&connection)?;
        let mut inner = self.lock();
        inner.requests.push(request.clone());
        let mood = inner.mood;
        if mood == OpenIdMood::Silent {
            let silent = |inner: &mut Inner| inner.mood == OpenIdMood::Silent;
            let waited = self.changed.wait_timeout_while(inner, PATIENCE, silent);
            drop(waited.expect("the state of the provider"));
            return Ok(());
        }
        let published = inner.key_document.clone();
        let published = published.filter(|_| request.target == "GET /keys");
        let (status, body) = match mood {
            OpenIdMood::Gone => return Ok(()),
            OpenIdMood::Overloaded => (503, json!({"error": "temporarily_unavailable"})),
            OpenIdMood::Elsewhere(_) => (307, json!({})),
            OpenIdMood::Well | OpenIdMood::Silent | OpenIdMood::Verbose => inner.answer(&request),
        };
        drop(inner);
        let mut body = match (published, status) {
            (Some(document), 200) => document,
            _ => body.to_string(),
        };
        let mut location = String::new();
        if let (OpenIdMood::Elsewhere(port), Some((_, path))) =
            (mood, request.target.split_once(' '))
        {
            location = format!("location: http://127.0.0.1:{port}{path}\r\n");
        }
        if mood == OpenIdMood::Verbose {
            body.push_str(&" ".repeat(1024 * 1024));
        }
        let answer = format!(
            "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\n{location}\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(answer.as_bytes())
    }
}

impl Inner {
    fn answer(&mut self, request: &ReceivedRequest) -> (u16, Value) {
        let (method, target) = request.target.split_once(' ').expect("a request line");
        match (method, target) {
            ("GET", "/.well-known/openid-configuration") => (200, self.metadata.clone()),
            ("GET", "/keys") => {
                let keys: Vec<_> = self.keys.iter().map(SigningKey::published).collect();
                (200, json!({ "keys": keys }))
            }
            ("POST", "/token") => {
                let fields = url::form_urlencoded::parse(request.body.as_bytes());
                let fields: HashMap<_, _> = fields.into_owned().collect();
                let code = fields.get("code").map(String::as_str).unwrap_or_default();
                match self.grants.remove(code) {
                    // RFC 7636 §4.6: a code is worthless without its verifier.
                    Some(answer) if fields.contains_key("code_verifier") => (200, answer),
                    _ => (400, json!({"error": "invalid_grant"})),
                }
            }
            _ => (404, json!({"error": "not_found"})),
        }
    }
}
