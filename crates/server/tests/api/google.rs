//! Signing in through Google, in whose place stands a double that signs what a test tells it.

mod flow;
mod link;
mod newcomers;
mod provider;
mod side_by_side;
mod sign_in;

use serde_json::{Value, json};
use server::config::Config;
use testkit::{Engine, servers::OpenIdDouble};

use crate::{answer::Answer, app::TestApp, person::Tokens};

/// Where people may come back to.
pub(super) const REDIRECT: &str = "https://shop.example/auth/google";

/// The service with a provider.
pub(super) struct Bed {
    pub(super) app: TestApp,
    pub(super) double: OpenIdDouble,
}

impl Bed {
    pub(super) async fn start(engine: Engine) -> Self {
        Self::start_for(engine, &[]).await
    }

    /// One that lets in the people of these organisations only.
    pub(super) async fn start_for(engine: Engine, hosted_domains: &[&str]) -> Self {
        let double = OpenIdDouble::start();
        let app =
            TestApp::start_with(engine, |config| configure(config, &double, hosted_domains)).await;
        Self { app, double }
    }

    /// Another node of the same service.
    pub(super) async fn another_node(&self) -> TestApp {
        self.another_node_with(|_| {}).await
    }

    /// [`Self::another_node`] with a changed configuration.
    pub(super) async fn another_node_with(&self, change: impl FnOnce(&mut Config)) -> TestApp {
        self.app
            .another_node_with(|config| {
                configure(config, &self.double, &[]);
                change(config);
            })
            .await
    }

    pub(super) async fn nonce(&self) -> String {
        let answer = self.app.send(self.app.request("POST", OPTIONS)).await;
        answer.assert_status(200);
        answer.text_of("/nonce")
    }

    /// The claims of a person, with a fresh nonce.
    pub(super) async fn claims(&self, subject: &str, email: &str) -> Value {
        let nonce = self.nonce().await;
        self.claims_with(&nonce, subject, email)
    }

    pub(super) fn claims_with(&self, nonce: &str, subject: &str, email: &str) -> Value {
        let now = self.app.now().unix_timestamp();
        json!({
            "iss": self.double.issuer(), "sub": subject, "aud": "site", "iat": now, "exp": now + 3_600,
            "nonce": nonce, "email": email, "email_verified": true,
        })
    }

    /// Signs in with these claims.
    pub(super) async fn enter_with(&self, claims: &Value) -> Answer {
        let body = json!({"id_token": self.double.token(claims)});
        self.app.post(SIGN_IN, &body).await
    }

    /// Signs in as this subject, whose address this is.
    pub(super) async fn enter(&self, subject: &str, email: &str) -> Answer {
        let claims = self.claims(subject, email).await;
        self.enter_with(&claims).await
    }

    /// Makes an account for somebody who has none.
    pub(super) async fn newcomer(&self, subject: &str, email: &str) -> Tokens {
        let answer = self.enter(subject, email).await;
        answer.assert_status(201);
        Tokens::of(&answer)
    }

    /// A nonce that was asked for in this session.
    pub(super) async fn nonce_of(&self, access: &str) -> String {
        let answer = self.app.post_as(access, LINK_OPTIONS, &Value::Null).await;
        answer.assert_status(200);
        answer.text_of("/nonce")
    }

    /// What links this subject, or proves it, in this session.
    pub(super) async fn proof_in(&self, access: &str, subject: &str, email: &str) -> Value {
        let nonce = self.nonce_of(access).await;
        let claims = self.claims_with(&nonce, subject, email);
        json!({"id_token": self.double.token(&claims)})
    }

    pub(super) async fn link(&self, access: &str, subject: &str, email: &str) -> Answer {
        let body = self.proof_in(access, subject, email).await;
        self.app.post_as(access, LINK, &body).await
    }
}

fn configure(config: &mut Config, double: &OpenIdDouble, hosted_domains: &[&str]) {
    config.google.issuer = Some(double.issuer());
    config.google.client_ids = vec!["site".to_owned(), "app".to_owned()];
    config.google.client_secret = Some("secret".into());
    config.google.redirect_uris = vec![REDIRECT.to_owned()];
    let domains = hosted_domains.iter().map(|&domain| domain.to_owned());
    config.google.hosted_domains = domains.collect();
}

pub(super) const OPTIONS: &str = "/api/v1/auth/google/options";
pub(super) const SIGN_IN: &str = "/api/v1/auth/google";
pub(super) const AUTHORIZE: &str = "/api/v1/auth/google/authorize";
pub(super) const CALLBACK: &str = "/api/v1/auth/google/callback";
pub(super) const LINK: &str = "/api/v1/me/google";
pub(super) const LINK_OPTIONS: &str = "/api/v1/me/google/options";

testkit::on_every_engine! {
    async fn without_a_provider_there_is_nothing_here(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let access = &person.tokens.access;
        app.send(app.request("POST", OPTIONS)).await.assert_problem(404, "not_found");
        for (path, body) in [
            (SIGN_IN, json!({"id_token": "a.b.c"})),
            (AUTHORIZE, json!({"redirect_uri": REDIRECT})),
            (CALLBACK, json!({"code": "c", "state": "s", "binding": "b"})),
        ] {
            app.post(path, &body).await.assert_problem(404, "not_found");
        }
        app.post_as(access, LINK, &json!({"id_token": "a.b.c"})).await.assert_problem(404, "not_found");
        app.post_as(access, LINK_OPTIONS, &Value::Null).await.assert_problem(404, "not_found");
        app.delete_as(access, LINK).await.assert_problem(404, "not_found");
        let proof = json!({"id_token": "a.b.c"});
        app.reauthenticate(access, &proof).await.assert_problem(422, "validation_failed");
    }
}
