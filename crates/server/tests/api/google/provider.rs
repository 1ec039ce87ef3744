//! A real OpenID provider in Google's place: npm's `oidc-provider`, in a process of its own.

use std::time::Duration;

use adapters_crypto::SystemClock;
use common::Clock as _;
use reqwest::{Client, redirect};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::{
    Engine,
    servers::{OpenIdDouble, OpenIdProviderServer},
};
use url::Url;

use super::{AUTHORIZE, CALLBACK, OPTIONS, REDIRECT, SIGN_IN};
use crate::{answer::Answer, app::TestApp};

/// Where the app of a telephone gets its code.
const APP_REDIRECT: &str = "http://127.0.0.1/app";

struct Bed {
    app: TestApp,
    provider: OpenIdProviderServer,
}

impl Bed {
    async fn start(engine: Engine) -> Self {
        let provider = OpenIdProviderServer::start(&[REDIRECT]);
        let app = TestApp::start_with(engine, |config| {
            config.google.issuer = Some(provider.issuer().to_owned());
            config.google.client_ids = vec!["site".to_owned(), "app".to_owned()];
            config.google.client_secret = Some(OpenIdProviderServer::SECRET.into());
            config.google.redirect_uris = vec![REDIRECT.to_owned()];
        })
        .await;
        // The provider has the time of the day.
        app.advance(SystemClock.now() - app.now());
        Self { app, provider }
    }

    fn welcome(&mut self, subject: &str, email: &str) {
        self.provider.welcome(&json!({
            "sub": subject, "email": email, "email_verified": true, "name": "Ada Lovelace",
        }));
    }

    /// Signs in for the site, and hands over where the provider sent the browser.
    async fn begin_and_go(&self) -> (Answer, Url) {
        let begun = self
            .app
            .post(AUTHORIZE, &json!({"redirect_uri": REDIRECT}))
            .await;
        begun.assert_status(200);
        let came_back = browse(&begun.text_of("/authorization_url"), REDIRECT).await;
        (begun, came_back)
    }

    async fn come_back(&self, begun: &Answer, came_back: &Url) -> Answer {
        let mut body = json!({
            "code": query(came_back, "code"), "state": query(came_back, "state"), "binding": begun.text_of("/binding"),
        });
        if let Some((_, issuer)) = came_back.query_pairs().find(|(name, _)| name == "iss") {
            body["iss"] = issuer.into();
        }
        self.app.post(CALLBACK, &body).await
    }

    /// An ID token that an app got for itself, as a public client with PKCE.
    async fn id_token_of_an_app(&self, client: &str, redirect: &str, nonce: &str) -> String {
        let verifier = "v".repeat(64);
        let challenge = base64_url(&Sha256::digest(&verifier));
        let issuer = self.provider.issuer();
        let mut url: Url = format!("{issuer}/auth").parse().unwrap();
        url.query_pairs_mut().extend_pairs([
            ("client_id", client),
            ("redirect_uri", redirect),
            ("response_type", "code"),
            ("nonce", nonce),
            ("scope", "openid email profile"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        let came_back = browse(url.as_str(), redirect).await;
        let code = query(&came_back, "code");
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "authorization_code"),
                ("client_id", client),
                ("redirect_uri", redirect),
                ("code", code.as_str()),
                ("code_verifier", verifier.as_str()),
            ])
            .finish();
        let answer = Client::new()
            .post(format!("{issuer}/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["id_token"]
            .as_str()
            .unwrap_or_else(|| panic!("no ID token: {answer}"))
            .to_owned()
    }

    async fn enter_by_app(&self) -> Answer {
        let options = self.app.send(self.app.request("POST", OPTIONS)).await;
        let nonce = options.text_of("/nonce");
        let id_token = self.id_token_of_an_app("app", APP_REDIRECT, &nonce).await;
        self.app
            .post(SIGN_IN, &json!({ "id_token": id_token }))
            .await
    }
}

/// A browser that goes where it is sent, until it is sent home.
async fn browse(from: &str, home: &str) -> Url {
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let mut cookies = std::collections::BTreeMap::new();
    let mut url: Url = from.parse().unwrap();
    for _ in 0..20 {
        let jar: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = client
            .get(url.clone())
            .header("cookie", jar.join("; "))
            .send()
            .await
            .unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let status = answer.status();
        let location = answer
            .headers()
            .get("location")
            .map(|it| it.to_str().unwrap().to_owned());
        let Some(location) = location else {
            panic!("{status} at {url}: {}", answer.text().await.unwrap());
        };
        url = url.join(&location).unwrap();
        if url.as_str().starts_with(home) {
            return url;
        }
    }
    panic!("lost at {url}")
}

fn query(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {url}"))
        .1
        .into_owned()
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

testkit::on_every_engine! {
    /// Google and a real provider at once: a code counts where the person was sent.
    async fn a_real_provider_stands_beside_google(engine: Engine) {
        const COMPANY: &str = "/api/v1/auth/providers/company";
        let mut provider = OpenIdProviderServer::start(&[REDIRECT]);
        let google = OpenIdDouble::start();
        let app = TestApp::start_with(engine, |config| {
            super::configure(config, &google, &[]);
            let mut company = config.google.clone();
            "providers.company".clone_into(&mut company.section);
            company.name = "company".to_owned().try_into();
            company.issuer = Some(provider.issuer().to_owned());
            company.client_secret = Some(OpenIdProviderServer::SECRET.into());
            config.providers.push(company);
        })
        .await;
        app.advance(SystemClock.now() - app.now());
        provider.welcome(&json!({"sub": "ada", "email": "ada@example.com", "email_verified": true}));
        let begun = app.post(&format!("{COMPANY}/authorize"), &json!({"redirect_uri": REDIRECT})).await;
        begun.assert_status(200);
        let came_back = browse(&begun.text_of("/authorization_url"), REDIRECT).await;
        let body = json!({
            "code": query(&came_back, "code"), "state": query(&came_back, "state"),
            "binding": begun.text_of("/binding"), "iss": query(&came_back, "iss"),
        });
        app.post(CALLBACK, &body).await.assert_problem(400, "invalid_state");
        assert!(google.requests_to("/token").is_empty(), "Google got no code of the other's");
        let entered = app.post(&format!("{COMPANY}/callback"), &body).await;
        entered.assert_status(201);
        assert_eq!(entered.text_of("/user/auth_method"), "provider");
    }

    async fn a_browser_goes_to_a_real_provider_and_comes_back_signed_in(engine: Engine) {
        let mut bed = Bed::start(engine).await;
        bed.welcome("ada", "ada@example.com");
        let (begun, came_back) = bed.begin_and_go().await;
        assert_eq!(query(&came_back, "state"), begun.text_of("/state"));
        let answer = bed.come_back(&begun, &came_back).await;
        answer.assert_status(201);
        assert_eq!(answer.text_of("/user/email"), "ada@example.com");
        assert_eq!(answer.text_of("/user/display_name"), "Ada Lovelace");
        bed.come_back(&begun, &came_back).await.assert_problem(400, "invalid_state");
        assert_eq!(bed.provider.grants(), 1);
        let (begun, came_back) = bed.begin_and_go().await;
        let again = bed.come_back(&begun, &came_back).await;
        again.assert_status(200);
        assert_eq!(again.text_of("/user/id"), answer.text_of("/user/id"));
    }

    async fn an_app_brings_the_id_token_of_a_real_provider(engine: Engine) {
        let mut bed = Bed::start(engine).await;
        bed.welcome("ada", "ada@example.com");
        let first = bed.enter_by_app().await;
        first.assert_status(201);
        let second = bed.enter_by_app().await;
        second.assert_status(200);
        assert_eq!(second.text_of("/user/id"), first.text_of("/user/id"));
        // A token that another client got is for that client (T30), and one without our nonce for nobody (T31).
        let nonce = bed.app.send(bed.app.request("POST", OPTIONS)).await.text_of("/nonce");
        let foreign = bed.id_token_of_an_app("stranger", "https://stranger.example/cb", &nonce).await;
        bed.app.post(SIGN_IN, &json!({"id_token": foreign})).await.assert_problem(401, "invalid_credentials");
        let own = bed.id_token_of_an_app("app", APP_REDIRECT, "a-nonce-of-their-own").await;
        bed.app.post(SIGN_IN, &json!({"id_token": own})).await.assert_problem(401, "invalid_credentials");
    }

    async fn keys_change_while_a_real_provider_serves(engine: Engine) {
        let mut bed = Bed::start(engine).await;
        bed.welcome("ada", "ada@example.com");
        bed.enter_by_app().await.assert_status(201);
        let fetched = bed.provider.requests_to("/jwks");
        bed.provider.rotate_key();
        bed.app.advance_seconds(11);
        bed.enter_by_app().await.assert_status(200);
        assert_eq!(bed.provider.requests_to("/jwks"), fetched + 1);
        bed.provider.rotate_key();
        bed.app.advance_seconds(11);
        let (begun, came_back) = bed.begin_and_go().await;
        bed.come_back(&begun, &came_back).await.assert_status(200);
    }

    async fn a_real_provider_that_goes_down_is_503_and_nothing_is_half_done(engine: Engine) {
        let mut bed = Bed::start(engine).await;
        bed.welcome("ada", "ada@example.com");
        let (begun, came_back) = bed.begin_and_go().await;
        bed.provider.be_well(false);
        let answer = bed.come_back(&begun, &came_back).await;
        answer.assert_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert_eq!((bed.app.count("accounts").await, bed.app.count("sessions").await), (0, 0));
        bed.provider.be_well(true);
        bed.come_back(&begun, &came_back).await.assert_status(201);
        assert_eq!(bed.provider.grants(), 1);
    }

    /// T34, T35: a code in the wrong hands, or from the wrong mouth, is worth nothing at a real provider either.
    async fn a_real_providers_code_counts_for_its_own_flow_alone(engine: Engine) {
        let mut bed = Bed::start(engine).await;
        bed.welcome("eve", "eve@example.com");
        let (attackers, came_back) = bed.begin_and_go().await;
        let victims = bed.app.post(AUTHORIZE, &json!({"redirect_uri": REDIRECT})).await;
        // In the victim's browser: the attacker's state comes without the attacker's binding.
        bed.come_back(&victims, &came_back).await.assert_problem(400, "invalid_state");
        // With the victim's state the code comes with another verifier, and the provider refuses it.
        let body = json!({
            "code": query(&came_back, "code"), "state": victims.text_of("/state"), "binding": victims.text_of("/binding"),
            "iss": bed.provider.issuer(),
        });
        bed.app.post(CALLBACK, &body).await.assert_problem(401, "invalid_credentials");
        assert_eq!((bed.provider.grants(), bed.app.count("accounts").await), (0, 0));
        // Another issuer's name, and none where this provider promises one.
        for issuer in [json!("https://accounts.google.com"), Value::Null] {
            let (begun, came_back) = bed.begin_and_go().await;
            let mut body = json!({
                "code": query(&came_back, "code"), "state": begun.text_of("/state"), "binding": begun.text_of("/binding"),
            });
            if !issuer.is_null() {
                body["iss"] = issuer;
            }
            bed.app.post(CALLBACK, &body).await.assert_problem(400, "invalid_state");
        }
        assert_eq!(bed.provider.grants(), 0);
        drop(attackers);
    }
}
