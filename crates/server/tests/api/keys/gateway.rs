//! Whoever verifies tokens by the published keys alone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use authentication_app::ports::KeySection;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    person::{PASSWORD, Person, Tokens},
};

/// A gateway that keeps the key set for a while, as `max-age` allows: it fetches it anew after so many tokens.
struct Gateway {
    app: TestApp,
    tag: String,
    keys: Vec<Value>,
    verified: u32,
}

/// How many tokens a gateway verifies with one copy of the key set.
const KEPT_FOR: u32 = 5;

impl Gateway {
    async fn new(app: &TestApp) -> Self {
        let mut gateway = Self {
            app: app.clone(),
            tag: String::new(),
            keys: Vec::new(),
            verified: 0,
        };
        gateway.fetch().await;
        gateway
    }

    async fn fetch(&mut self) {
        let request = self.app.request("GET", "/.well-known/jwks.json");
        let request = request.header("If-None-Match", &self.tag);
        let answer = self.app.send(request).await;
        let kept = answer.header("cache-control").unwrap_or_default();
        assert_eq!(kept, "public, max-age=300");
        let tag = answer.header("etag").expect("a tag").to_owned();
        if answer.status == 304 {
            assert_eq!(tag, self.tag);
            return;
        }
        answer.assert_status(200);
        assert_ne!(tag, self.tag, "what did not change is not sent again");
        self.tag = tag;
        self.keys
            .clone_from(answer.json()["keys"].as_array().unwrap());
    }

    /// The id of the key that a token is signed by, which the gateway must know.
    async fn verify(&mut self, token: &str) -> String {
        if self.verified.is_multiple_of(KEPT_FOR) {
            self.fetch().await;
        }
        self.verified += 1;
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
        let key = self.keys.iter().find(|key| key["kid"] == header["kid"]);
        let key = key.unwrap_or_else(|| panic!("the gateway does not know {}", header["kid"]));
        let public = decoded(key["x"].as_str().unwrap());
        UnparsedPublicKey::new(&ED25519, public)
            .verify(signed.as_bytes(), &decoded(signature))
            .expect("the signature is good");
        header["kid"].as_str().unwrap().to_owned()
    }
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Signs in, refreshes and asks, over and over; every token passes the gateway and the service.
async fn go_on(app: TestApp, people: Vec<Person>, seen: Arc<Seen>) {
    let mut gateway = Gateway::new(&app).await;
    let first = people[0].tokens.access.clone();
    // More sign-ins a minute are refused, and the clock stands still.
    let mut sign_ins = people.iter().cycle().take(18 * people.len());
    let mut refresh = people[0].tokens.refresh.clone();
    while !seen.enough.load(Ordering::Relaxed) {
        let mut tokens = vec![first.clone()];
        if let Some(person) = sign_ins.next() {
            let answer = app.log_in(&person.identifier, PASSWORD).await;
            answer.assert_status(200);
            tokens.push(Tokens::of(&answer).access);
        }
        let refreshed = app.refresh(&refresh).await;
        refreshed.assert_status(200);
        let refreshed = Tokens::of(&refreshed);
        refresh = refreshed.refresh;
        tokens.push(refreshed.access);
        for token in &tokens {
            *seen.signed_by.lock().unwrap() = gateway.verify(token).await;
            app.me(token).await.assert_status(200);
            seen.verified.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Default)]
struct Seen {
    verified: AtomicU32,
    signed_by: std::sync::Mutex<String>,
    enough: AtomicBool,
}

impl Seen {
    /// Waits until so many more tokens were verified.
    async fn more(&self, app: &TestApp, tokens: u32) {
        let until = self.verified.load(Ordering::Relaxed) + tokens;
        app.until("tokens are verified", async || {
            self.verified.load(Ordering::Relaxed) >= until
        })
        .await;
    }
}

testkit::on_every_engine! {
    /// The clock of the service stands still, so the first token lives through it all.
    async fn a_signing_key_rotates_without_a_gap(engine: Engine) {
        let app = TestApp::start_watchful(engine).await;
        let mut people = Vec::new();
        for _ in 0..3 {
            people.push(app.register_person().await);
        }
        let section = KeySection::Signing;
        let first = app.current_key(section);
        let seen = Arc::new(Seen::default());
        let client = tokio::spawn(go_on(app.clone(), people, Arc::clone(&seen)));
        seen.more(&app, 3).await;
        let next = app.add_next(section).await;
        // Longer than any gateway keeps what it fetched.
        seen.more(&app, 2 * KEPT_FOR).await;
        assert_eq!(app.promote(section).await, first);
        seen.more(&app, 2 * KEPT_FOR).await;
        app.until("the new key signs", async || {
            *seen.signed_by.lock().unwrap() == next
        })
        .await;
        seen.enough.store(true, Ordering::Relaxed);
        client.await.expect("every token was good everywhere");

        let old = Tokens::of(&app.log_in(&app.fresh_person().await, PASSWORD).await);
        app.add_next(section).await;
        let replaced = app.promote(section).await;
        assert_eq!(replaced, next);
        app.me(&old.access).await.assert_status(200);
        app.retire(section, &next).await;
        app.me(&old.access).await.assert_status(401);
        app.refresh(&old.refresh).await.assert_status(200);
        let set = app.get("/.well-known/jwks.json").await.json();
        let published = set["keys"].as_array().unwrap();
        assert!(published.iter().all(|key| key["kid"] != json!(next)), "{set}");
    }
}

impl TestApp {
    async fn fresh_person(&self) -> String {
        self.register_person().await.identifier
    }
}
