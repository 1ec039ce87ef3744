//! The code flow: state, binding, PKCE, and where people come back to (T34, T35).

use serde_json::{Value, json};
use testkit::{race, servers::OpenIdMood};

use super::{AUTHORIZE, Bed, CALLBACK, REDIRECT};
use crate::answer::Answer;

/// What a client has of a flow that was begun.
pub(crate) struct Begun {
    url: url::Url,
    state: String,
    binding: String,
}

impl Begun {
    fn query(&self, name: &str) -> String {
        let mut pairs = self.url.query_pairs();
        let found = pairs.find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.into_owned()
    }

    pub(crate) fn body(&self, code: &str) -> Value {
        json!({"code": code, "state": self.state, "binding": self.binding})
    }
}

impl Bed {
    pub(crate) async fn begin(&self) -> Begun {
        let answer = self
            .app
            .post(AUTHORIZE, &json!({"redirect_uri": REDIRECT}))
            .await;
        answer.assert_status(200);
        Begun {
            url: answer.text_of("/authorization_url").parse().unwrap(),
            state: answer.text_of("/state"),
            binding: answer.text_of("/binding"),
        }
    }

    /// The provider gives this code to whoever comes for the flow.
    pub(crate) fn give(&self, begun: &Begun, code: &str, subject: &str, email: &str) {
        let claims = self.claims_with(&begun.query("nonce"), subject, email);
        self.double.grant(code, &self.double.token(&claims));
    }

    async fn come_back(&self, body: &Value) -> Answer {
        self.app.post(CALLBACK, body).await
    }

    fn exchanges(&self) -> usize {
        self.double.requests_to("/token").len()
    }
}

testkit::on_every_engine! {
    async fn a_person_is_sent_to_google_and_comes_back_signed_in(engine: Engine) {
        let bed = Bed::start(engine).await;
        let begun = bed.begin().await;
        assert!(begun.url.as_str().starts_with(&format!("{}/authorize?", bed.double.issuer())));
        assert_eq!(begun.query("state"), begun.state);
        assert_eq!((begun.query("redirect_uri").as_str(), begun.query("client_id").as_str()), (REDIRECT, "site"));
        assert_eq!((begun.query("code_challenge_method").as_str(), begun.query("code_challenge").len()), ("S256", 43));
        assert!(begun.state.len() >= 32 && begun.binding.len() >= 32 && begun.query("nonce").len() >= 32);
        bed.give(&begun, "code-1", "1", "ada@example.com");
        let answer = bed.come_back(&begun.body("code-1")).await;
        answer.assert_status(201);
        assert_eq!(answer.text_of("/user/auth_method"), "google");
        let again = bed.begin().await;
        bed.give(&again, "code-2", "1", "ada@example.com");
        let mut body = again.body("code-2");
        body["iss"] = bed.double.issuer().into();
        let second = bed.come_back(&body).await;
        second.assert_status(200);
        assert_eq!(second.text_of("/user/id"), answer.text_of("/user/id"));
        assert_eq!(bed.exchanges(), 2);
        // The client's word for itself went with the verifier that it never saw.
        assert!(bed.double.requests_to("/token")[0].body.contains("code_verifier="));
    }

    /// T34: whoever comes without the state and the binding of one flow is refused before the provider is asked.
    async fn t34_a_callback_that_was_not_begun_here_exchanges_nothing(engine: Engine) {
        let bed = Bed::start(engine).await;
        let (ours, attackers) = (bed.begin().await, bed.begin().await);
        bed.give(&ours, "code", "1", "ada@example.com");
        for (state, binding) in [
            ("0".repeat(32), ours.binding.clone()),
            (ours.state.clone(), "0".repeat(32)),
            (ours.state.clone(), attackers.binding.clone()),
            (attackers.state.clone(), ours.binding.clone()),
            (ours.binding.clone(), ours.state.clone()),
        ] {
            let body = json!({"code": "code", "state": state, "binding": binding});
            bed.come_back(&body).await.assert_problem(400, "invalid_state");
        }
        for missing in ["state", "binding", "code"] {
            let mut body = ours.body("code");
            body.as_object_mut().unwrap().remove(missing);
            bed.come_back(&body).await.assert_problem(400, "malformed_request");
        }
        assert_eq!((bed.exchanges(), bed.app.count("accounts").await), (0, 0));
        // Nobody used up by guessing what is ours.
        bed.come_back(&ours.body("code")).await.assert_status(201);
        bed.come_back(&ours.body("code")).await.assert_problem(400, "invalid_state");
        assert_eq!(bed.exchanges(), 1);
    }

    /// T34: a flow takes ten minutes and not a moment longer.
    async fn t34_a_flow_is_over_after_ten_minutes(engine: Engine) {
        let bed = Bed::start(engine).await;
        let begun = bed.begin().await;
        bed.app.advance_seconds(600);
        bed.give(&begun, "code", "1", "ada@example.com");
        bed.come_back(&begun.body("code")).await.assert_problem(400, "invalid_state");
        assert_eq!(bed.exchanges(), 0);
        let begun = bed.begin().await;
        bed.app.advance_seconds(599);
        bed.give(&begun, "code", "1", "ada@example.com");
        bed.come_back(&begun.body("code")).await.assert_status(201);
    }

    /// T34: an attacker's code in the victim's flow has another nonce.
    async fn t34_a_code_of_another_flow_signs_nobody_in(engine: Engine) {
        let bed = Bed::start(engine).await;
        let (victims, attackers) = (bed.begin().await, bed.begin().await);
        bed.give(&attackers, "attackers-code", "attacker", "eve@example.com");
        bed.come_back(&victims.body("attackers-code")).await.assert_problem(401, "invalid_credentials");
        bed.come_back(&bed.begin().await.body("no-code")).await.assert_problem(401, "invalid_credentials");
        // A nonce of the other way in is none of a flow's, and a flow's none of the other's.
        let begun = bed.begin().await;
        let claims = bed.claims("1", "ada@example.com").await;
        bed.double.grant("code", &bed.double.token(&claims));
        bed.come_back(&begun.body("code")).await.assert_problem(401, "invalid_credentials");
        let claims = bed.claims_with(&bed.begin().await.query("nonce"), "1", "ada@example.com");
        bed.enter_with(&claims).await.assert_problem(401, "invalid_credentials");
        assert_eq!(bed.app.count("accounts").await, 0);
    }

    /// T34: people come back to what is listed, to the letter.
    async fn t34_only_listed_addresses_are_come_back_to(engine: Engine) {
        let bed = Bed::start(engine).await;
        for evil in [
            "https://evil.example/auth/google", "https://shop.example.evil/auth/google", "https://shop.example/auth/google/",
            "https://shop.example/auth/google?next=//evil", "https://shop.example/auth/google#x", "//shop.example/auth/google",
            "/\\evil.example", "//evil", "https://shop.example@evil.example/auth/google", "HTTPS://shop.example/auth/google",
            "http://shop.example/auth/google", "https://shop.example:443/auth/google", "https://shop.example/auth/%67oogle",
            "https://shop.example/auth/../auth/google", "com.shop.example:/auth/google", "javascript:alert(1)",
            " https://shop.example/auth/google",
        ] {
            let answer = bed.app.post(AUTHORIZE, &json!({"redirect_uri": evil})).await;
            assert_eq!(answer.status, 400, "{evil}: {answer:?}");
            answer.assert_problem(400, "invalid_redirect_uri");
        }
        assert_eq!(bed.app.count("federation_flows").await, 0);
        assert!(bed.double.requests_to("/.well-known/openid-configuration").is_empty());
    }

    /// T35: an answer that is another provider's, and metadata that lead away.
    async fn t35_a_mix_up_ends_before_the_code_is_given_away(engine: Engine) {
        let bed = Bed::start(engine).await;
        let begun = bed.begin().await;
        bed.give(&begun, "code", "1", "ada@example.com");
        let mut body = begun.body("code");
        body["iss"] = "https://accounts.google.com.evil".into();
        bed.come_back(&body).await.assert_problem(400, "invalid_state");
        // It is over: whoever was led astray begins again.
        bed.come_back(&begun.body("code")).await.assert_problem(400, "invalid_state");
        assert_eq!(bed.exchanges(), 0);
    }

    async fn t35_metadata_that_lead_away_are_503(engine: Engine) {
        let bed = Bed::start(engine).await;
        bed.double.say("token_endpoint", json!("https://evil.example/token"));
        let answer = bed.app.post(AUTHORIZE, &json!({"redirect_uri": REDIRECT})).await;
        answer.assert_problem(503, "unavailable");
        let claims = bed.claims("1", "ada@example.com").await;
        bed.enter_with(&claims).await.assert_problem(503, "unavailable");
        assert_eq!((bed.app.count("federation_flows").await, bed.app.count("accounts").await), (0, 0));
    }

    async fn fifty_returns_at_once_exchange_once(engine: Engine) {
        let bed = Bed::start(engine).await;
        let begun = bed.begin().await;
        bed.give(&begun, "code", "1", "ada@example.com");
        let app = &bed.app;
        let statuses = race::fifty_at_once(|_| {
            let (app, body) = (app.clone(), begun.body("code"));
            async move { app.post(CALLBACK, &body).await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 201 | 400)), "{statuses:?}");
        assert_eq!(bed.exchanges(), 1);
    }

    async fn a_provider_that_is_away_leaves_the_flow_to_be_completed(engine: Engine) {
        let bed = Bed::start(engine).await;
        let begun = bed.begin().await;
        bed.give(&begun, "code", "1", "ada@example.com");
        bed.double.be(OpenIdMood::Gone);
        let answer = bed.come_back(&begun.body("code")).await;
        answer.assert_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert_eq!(bed.app.count("accounts").await, 0);
        bed.double.be(OpenIdMood::Well);
        bed.come_back(&begun.body("code")).await.assert_status(201);
    }

    async fn what_a_flow_has_is_kept_in_no_clear_word(engine: Engine) {
        let bed = Bed::start(engine).await;
        let begun = bed.begin().await;
        let rows = bed.app.database().rows("SELECT state, binding, payload FROM federation_flows").await;
        let secrets = [begun.state.clone(), begun.binding.clone(), begun.query("nonce"), REDIRECT.to_owned()];
        for column in ["state", "binding", "payload"] {
            let bytes: Vec<u8> = rows[0].try_get("", column).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(secrets.iter().all(|secret| !text.contains(secret.as_str())), "{column}");
        }
    }
}
