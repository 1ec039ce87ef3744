//! Another provider beside Google: what is of one counts at no other.

use serde_json::{Value, json};
use testkit::{
    Engine,
    servers::{OpenIdDouble, OpenIdMood},
};

use super::{AUTHORIZE, Bed, CALLBACK, LINK, OPTIONS, REDIRECT, SIGN_IN, configure};
use crate::{answer::Answer, app::TestApp, person::Tokens};

const PROVIDERS: &str = "/api/v1/auth/providers";
const ENTRA: &str = "/api/v1/auth/providers/entra";
const LINKED: &str = "/api/v1/me/providers";
const LINK_ENTRA: &str = "/api/v1/me/providers/entra";

/// The service with Google and a company's directory.
struct Two {
    google: Bed,
    entra: Bed,
}

impl Two {
    async fn start(engine: Engine) -> Self {
        let (google, entra) = (OpenIdDouble::start(), OpenIdDouble::start());
        let app = TestApp::start_with(engine, |config| {
            configure(config, &google, &[]);
            let mut other = config.google.clone();
            "providers.entra".clone_into(&mut other.section);
            other.name = "entra".to_owned().try_into();
            "Our company".clone_into(&mut other.label);
            other.issuer = Some(entra.issuer());
            other.verified_domains = vec!["corp.example.com".to_owned()];
            config.providers.push(other);
        })
        .await;
        Self {
            google: Bed {
                app: app.clone(),
                double: google,
            },
            entra: Bed { app, double: entra },
        }
    }

    fn app(&self) -> &TestApp {
        &self.google.app
    }

    async fn nonce_at(&self, path: &str) -> String {
        let answer = self.app().send(self.app().request("POST", path)).await;
        answer.assert_status(200);
        answer.text_of("/nonce")
    }

    /// Signs in at the directory.
    async fn enter_at_entra(&self, subject: &str, email: &str) -> Answer {
        let nonce = self.nonce_at(&format!("{ENTRA}/options")).await;
        let claims = self.entra.claims_with(&nonce, subject, email);
        let body = json!({"id_token": self.entra.double.token(&claims)});
        self.app().post(ENTRA, &body).await
    }

    /// What links this subject of the directory in this session, or proves it.
    async fn proof_at_entra(&self, access: &str, subject: &str) -> Value {
        let options = format!("{LINK_ENTRA}/options");
        let answer = self.app().post_as(access, &options, &Value::Null).await;
        answer.assert_status(200);
        let nonce = answer.text_of("/nonce");
        let claims = self
            .entra
            .claims_with(&nonce, subject, "ada@corp.example.com");
        json!({"id_token": self.entra.double.token(&claims)})
    }

    async fn linked(&self, access: &str) -> Vec<String> {
        let answer = self.app().get_as(access, LINKED).await;
        answer.assert_status(200);
        let items = answer.data()["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

testkit::on_every_engine! {
    async fn one_subject_at_two_providers_is_two_people(engine: Engine) {
        let two = Two::start(engine).await;
        let app = two.app();
        let listed = app.get(PROVIDERS).await;
        assert_eq!(listed.data()["items"], json!([
            {"name": "entra", "label": "Our company", "code_flow": true},
            {"name": "google", "label": "Google", "code_flow": true},
        ]));
        let googles = two.google.enter("1", "ada@example.com").await;
        googles.assert_status(201);
        let entras = two.enter_at_entra("1", "eve@example.com").await;
        entras.assert_status(201);
        assert_eq!(
            (googles.text_of("/user/auth_method"), entras.text_of("/user/auth_method")),
            ("google".to_owned(), "provider".to_owned())
        );
        assert_ne!(googles.text_of("/user/id"), entras.text_of("/user/id"));
        let again = two.enter_at_entra("1", "eve@example.com").await;
        again.assert_status(200);
        assert_eq!(again.text_of("/user/id"), entras.text_of("/user/id"));
        // Nor does an address open an account that came through another provider.
        two.enter_at_entra("2", "ada@example.com").await.assert_problem(409, "account_exists_link_required");
        assert_eq!(app.count("accounts").await, 2);
        // Each has its own rules: the directory's own addresses count unless it says no, and Google's do not.
        let nonce = two.nonce_at(&format!("{ENTRA}/options")).await;
        let mut claims = two.entra.claims_with(&nonce, "3", "new@corp.example.com");
        claims.as_object_mut().unwrap().remove("email_verified");
        let body = json!({"id_token": two.entra.double.token(&claims)});
        app.post(ENTRA, &body).await.assert_status(201);
        let mut claims = two.google.claims("4", "newer@corp.example.com").await;
        claims.as_object_mut().unwrap().remove("email_verified");
        two.google.enter_with(&claims).await.assert_problem(401, "invalid_credentials");
        let metrics = app.metrics_text().await;
        for line in [
            r#"auth_provider_proofs_total{outcome="proven",provider="entra"} 4"#,
            r#"auth_provider_proofs_total{outcome="proven",provider="google"} 2"#,
            r#"auth_provider_resting{provider="entra"} 0"#,
            r#"auth_sign_ins_total{method="provider",outcome="success"} 3"#,
            r#"auth_sign_ins_total{method="google",outcome="success"} 1"#,
        ] {
            assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
        }
        // A no counts in every shape, and so does what is neither yes nor no.
        for no in [json!(false), json!("false"), json!("no"), json!(null)] {
            let nonce = two.nonce_at(&format!("{ENTRA}/options")).await;
            let mut claims = two.entra.claims_with(&nonce, "5", "other@corp.example.com");
            claims["email_verified"] = no;
            let body = json!({"id_token": two.entra.double.token(&claims)});
            app.post(ENTRA, &body).await.assert_problem(401, "invalid_credentials");
        }
    }

    /// A nonce, a token and a flow count where they are from; brought elsewhere they are not used up.
    async fn what_is_of_one_provider_is_worth_nothing_at_the_other(engine: Engine) {
        let two = Two::start(engine).await;
        let app = two.app();
        let googles_nonce = two.nonce_at(OPTIONS).await;
        let entras_nonce = two.nonce_at(&format!("{ENTRA}/options")).await;
        let to = async |path: &str, token: String| app.post(path, &json!({ "id_token": token })).await;
        let of_google = |nonce: &str| {
            two.google.double.token(&two.google.claims_with(nonce, "1", "ada@example.com"))
        };
        let of_entra = |nonce: &str| {
            two.entra.double.token(&two.entra.claims_with(nonce, "1", "ada@example.com"))
        };
        for (path, token) in [
            (ENTRA, of_entra(&googles_nonce)),
            (SIGN_IN, of_google(&entras_nonce)),
            (ENTRA, of_google(&entras_nonce)),
            (SIGN_IN, of_entra(&googles_nonce)),
            (ENTRA, of_google(&googles_nonce)),
        ] {
            to(path, token).await.assert_problem(401, "invalid_credentials");
        }
        let mut reasons = app.audit_outcomes("session.sign_in").await;
        reasons.sort();
        assert_eq!(reasons, ["issuer", "issuer", "issuer", "unknown_nonce", "unknown_nonce"]);
        assert_eq!(app.count("accounts").await, 0);
        // The issuer of one in a token that the other signed.
        let mut claims = two.entra.claims_with(&googles_nonce, "1", "ada@example.com");
        claims["iss"] = two.google.double.issuer().into();
        to(SIGN_IN, two.entra.double.token(&claims)).await.assert_problem(401, "invalid_credentials");
        // Google's own paths and those by its name are one.
        to(&format!("{PROVIDERS}/google"), of_google(&googles_nonce)).await.assert_status(201);

        let begun = two.google.begin().await;
        two.google.give(&begun, "code", "1", "ada@example.com");
        let elsewhere = app.post(&format!("{ENTRA}/callback"), &begun.body("code")).await;
        elsewhere.assert_problem(400, "invalid_state");
        assert!(two.entra.double.requests_to("/token").is_empty());
        app.post(CALLBACK, &begun.body("code")).await.assert_status(200);

        for unknown in ["nobody", "Entra", "entra%20", "..", "0"] {
            let path = format!("{PROVIDERS}/{unknown}/options");
            app.send(app.request("POST", &path)).await.assert_problem(404, "not_found");
        }
        // What keeps one away does not keep the other.
        two.entra.double.be(OpenIdMood::Overloaded);
        two.entra.app.advance_seconds(3_600 * 25);
        let body = json!({"redirect_uri": REDIRECT});
        app.post(&format!("{ENTRA}/authorize"), &body).await.assert_problem(503, "unavailable");
        app.post(AUTHORIZE, &body).await.assert_status(200);
    }

    /// One identity of each, named in lists, notices and the trail.
    async fn an_account_is_opened_by_one_identity_of_each(engine: Engine) {
        let two = Two::start(engine).await;
        let app = two.app();
        let person = app.register_person().await;
        let access = &person.tokens.access;
        two.google.link(access, "1", "a@example.com").await.assert_status(200);
        let body = two.proof_at_entra(access, "1").await;
        app.post_as(access, LINK_ENTRA, &body).await.assert_status(200);
        let body = two.proof_at_entra(access, "2").await;
        app.post_as(access, LINK_ENTRA, &body).await.assert_problem(409, "already_linked");
        assert_eq!(two.linked(access).await, ["entra", "google"]);
        let entered = two.enter_at_entra("1", "ada@corp.example.com").await;
        assert_eq!(entered.text_of("/user/id"), person.id);
        assert_eq!(two.google.enter("1", "a@example.com").await.text_of("/user/id"), person.id);

        // Whose proof it is, is said beside it; without a word it is Google's.
        let mut proof = two.proof_at_entra(access, "1").await;
        app.reauthenticate(access, &proof).await.assert_problem(401, "invalid_credentials");
        proof["provider"] = "nobody".into();
        app.reauthenticate(access, &proof).await.assert_problem(422, "validation_failed");
        proof["provider"] = "entra".into();
        let proven = app.reauthenticate(access, &proof).await;
        proven.assert_status(200);
        let access = Tokens::of(&proven).access;

        app.delete_as(&access, LINK_ENTRA).await.assert_status(200);
        assert_eq!(two.linked(&access).await, ["google"]);
        app.delete_as(&access, LINK_ENTRA).await.assert_problem(404, "not_found");
        app.delete_as(&access, &format!("{LINKED}/nobody")).await.assert_problem(404, "not_found");
        two.google.enter("1", "a@example.com").await.assert_status(200);
        two.enter_at_entra("1", "ada@corp.example.com").await.assert_status(201);
        app.settle_messages().await;
        app.advance_seconds(3_600 * 24);
        app.settle_messages().await;
        let texts = Value::from(app.mailbox(&person.identifier).await).to_string();
        assert!(texts.contains("sign-in with Google") && texts.contains("sign-in with Our company"), "{texts}");
        let data = app.texts("SELECT data FROM outbox_events WHERE event_type LIKE '%federation.unlinked%'").await;
        assert!(data.len() == 1 && data[0].contains(r#""provider":"entra""#), "{data:?}");
    }

    /// The last identity stays, whichever it is, and goes once there is another.
    async fn another_provider_is_a_way_in(engine: Engine) {
        let two = Two::start(engine).await;
        let app = two.app();
        let newcomer = two.enter_at_entra("1", "ada@corp.example.com").await;
        let access = Tokens::of(&newcomer).access;
        app.delete_as(&access, LINK_ENTRA).await.assert_problem(409, "last_way_in");
        two.google.link(&access, "1", "ada@example.com").await.assert_status(200);
        app.delete_as(&access, LINK_ENTRA).await.assert_status(200);
        app.delete_as(&access, LINK).await.assert_problem(409, "last_way_in");
        assert_eq!(two.linked(&access).await, ["google"]);
    }
}
