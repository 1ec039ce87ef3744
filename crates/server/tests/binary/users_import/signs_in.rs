//! Whoever was imported signs in as before.

use std::{fs, path::Path};

use adapters_crypto::SystemClock;
use common::Clock as _;
use serde_json::{Value, json};
use testkit::{
    django::{HashOrder, hashes},
    servers::OpenIdDouble,
};

use super::place::{PASSWORD, Place, borrowed, person_with, told};
use crate::process::{Service, complaint, result, run};

pub(super) async fn log_in(service: &Service, identifier: &str, password: &str) -> (u16, Value) {
    let url = format!("http://{}/api/v1/auth/login", service.public);
    let body = json!({"identifier": identifier, "password": password});
    let answer = reqwest::Client::new().post(url).json(&body).send().await;
    let answer = answer.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

async fn me(service: &Service, signed_in: &Value) -> Value {
    let token = signed_in["data"]["tokens"]["access_token"].as_str();
    let answer = reqwest::Client::new()
        .get(format!("http://{}/api/v1/me", service.public))
        .bearer_auth(token.expect("a token"))
        .send()
        .await
        .expect("an answer");
    answer.json().await.expect("JSON")
}

/// Signs in with an ID token of this double, whose nonce is asked for first.
async fn enter(
    service: &Service,
    path: &str,
    double: &OpenIdDouble,
    subject: &str,
) -> (u16, Value) {
    let post = async |path: &str, body: &Value| {
        let url = format!("http://{}{path}", service.public);
        let answer = reqwest::Client::new().post(url).json(body).send().await;
        let answer = answer.expect("an answer");
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.expect("JSON"),
        )
    };
    let url = format!("http://{}{path}/options", service.public);
    let asked = reqwest::Client::new()
        .post(url)
        .send()
        .await
        .expect("an answer");
    let nonce = asked.json::<Value>().await.expect("JSON")["data"]["nonce"].clone();
    let now = SystemClock.now().unix_timestamp();
    let token = double.token(&json!({
        "iss": double.issuer(), "sub": subject, "aud": "site", "iat": now, "exp": now + 600, "nonce": nonce,
        "email": "another@example.com", "email_verified": true,
    }));
    post(path, &json!({ "id_token": token })).await
}

testkit::on_every_engine! {
    /// Who came through Google there needs not link it here. What cannot be is told for each line.
    async fn people_sign_in_through_the_providers_that_they_came_through(engine: Engine) {
        let (google, entra) = (OpenIdDouble::start(), OpenIdDouble::start());
        let place = Place::new(engine).await;
        let providers = [
            ("GOOGLE__ISSUER", google.issuer()),
            ("GOOGLE__CLIENT_IDS", "site".to_owned()),
            ("PROVIDERS__ENTRA__ISSUER", entra.issuer()),
            ("PROVIDERS__ENTRA__CLIENT_IDS", "site".to_owned()),
        ];
        let file = place.people("users", &[
            person_with(1, &json!({"google_sub": "107691503500061507151", "password": "!"})),
            person_with(2, &json!({"identities": {"entra": "107691503500061507151"}})),
            person_with(3, &json!({"google_sub": "107691503500061507151"})),
            person_with(4, &json!({"identities": {"nobody": "1"}})),
            person_with(5, &json!({"google_sub": 7})),
            person_with(6, &json!({"google_sub": "2", "identities": {"google": "2"}})),
        ]);
        let settings = [&place.settings()[..], &providers].concat();
        let mapping = place.path("mapping");
        let arguments = ["users", "import", file.to_str().unwrap(), "--mapping", mapping.to_str().unwrap()];
        let output = run(&arguments, &borrowed(&settings));
        assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
        let said = result(&output);
        for line in [
            "line 3 (id 3): identity_taken: an identity opens another account",
            "line 4 (id 4): unknown_provider: identities names a provider that is not configured",
            "line 5 (id 5): wrong_type: google_sub is not a text in quotation marks",
            "line 6 (id 6): several_identities: there are two identities of one provider",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
        // Once more changes nothing, and a line that says something else is told.
        let again = run(&arguments, &borrowed(&settings));
        assert!(result(&again).contains("already there: 2"), "{}", result(&again));
        let accounts: Vec<String> = fs::read_to_string(&mapping).unwrap().lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["account_id"].as_str().unwrap().to_owned()
        }).collect();

        let mut serving = providers.to_vec();
        serving.push(("DATABASE__URL", place.database.url().to_owned()));
        let service = Service::start(&place.path("data"), &borrowed(&serving));
        for (path, double, account) in [
            ("/api/v1/auth/google", &google, &accounts[0]),
            ("/api/v1/auth/providers/entra", &entra, &accounts[1]),
        ] {
            let (status, body) = enter(&service, path, double, "107691503500061507151").await;
            assert_eq!(status, 200, "{path}: {body}");
            assert_eq!(body["data"]["user"]["id"].as_str(), Some(account.as_str()), "{path}");
        }
    }

    async fn people_with_hashes_of_every_hasher_sign_in(engine: Engine) {
        let place = Place::new(engine).await;
        let orders = HashOrder::HASHERS.map(|hasher| HashOrder::new(hasher, PASSWORD).cheap());
        let made = hashes(&orders);
        let people: Vec<Value> = (1..)
            .zip(&made)
            .map(|(id, hash)| person_with(id, &json!({"password": hash})))
            .collect();
        let output = place.import(&place.people("users", &people), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        assert_eq!(told(&output, "imported: "), made.len() as u64);
        place.assert_people(i64::try_from(made.len()).unwrap()).await;

        let service = place.serve();
        for (id, hash) in (1..).zip(&made) {
            let address = format!("Person-{id}@Example.com");
            let (status, _) = log_in(&service, &address, "copper-Meadow-77").await;
            assert_eq!(status, 401, "{hash}");
            for _ in 0..2 {
                let (status, body) = log_in(&service, &address, PASSWORD).await;
                assert_eq!(status, 200, "{hash}: {body}");
            }
        }
        let kept = "SELECT password_hash FROM password_credentials";
        for row in place.database.rows(kept).await {
            let hash: String = row.try_get_by_index(0).unwrap();
            assert!(hash.starts_with("$argon2id$"), "{hash}");
        }
    }

    async fn everybody_is_what_they_were(engine: Engine) {
        let place = Place::new(engine).await;
        let vendor = json!({
            "role": "vendor", "email": null, "phone": "+234 (0)801 234 5678", "display_name": "Ada & Sons",
            "country": "gh", "language": "fr-CI", "balance_minor": 1250, "currency": "GHS",
            "id": "0190B3A0-1B2C-7D3E-8F40-0123456789AB",
        });
        let people = [
            person_with(1, &vendor),
            person_with(2, &json!({"is_active": false})),
            person_with(3, &json!({"password": "!unusable"})),
            person_with(4, &json!({"role": "support", "is_staff": true})),
            person_with(5, &json!({"is_superuser": true, "is_staff": true, "first_name": " ", "last_name": ""})),
            person_with(6, &json!({"phone": "0801 234 5679", "country": "NG", "identifier": "phone"})),
        ];
        let output = place.import(&place.people("users", &people), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        let summary = result(&output);
        assert!(summary.starts_with("imported: 6 (2 of them staff)\n"), "{summary}");

        let service = place.serve();
        let (status, vendor) = log_in(&service, "+2348012345678", PASSWORD).await;
        assert_eq!(status, 200, "{vendor}");
        let shown = me(&service, &vendor).await;
        let user = &shown["data"];
        let user = user.get("user").unwrap_or(user);
        assert_eq!(user["roles"], json!(["vendor"]));
        assert_eq!((&user["auth_method"], &user["phone"]), (&json!("phone"), &json!("+2348012345678")));
        assert_eq!(user["display_name"], "Ada & Sons");
        assert_eq!(user["profile"]["country"], "GH");
        assert_eq!(user["wallet"], json!({"balance_minor": 1250, "currency": "GHS"}));
        assert!(user["created_at"].as_str().unwrap().starts_with("2021-03-04T05:06:07"), "{user}");

        let (status, suspended) = log_in(&service, "person-2@example.com", PASSWORD).await;
        assert_eq!((status, &suspended["code"]), (403, &json!("account_suspended")));
        let (status, _) = log_in(&service, "person-3@example.com", PASSWORD).await;
        assert_eq!(status, 401, "nobody has this password");
        for (id, roles, name) in [
            (4, json!(["support"]), json!("Ada Obi 4")),
            (5, json!(["client", "admin"]), Value::Null),
        ] {
            let (status, staff) = log_in(&service, &format!("person-{id}@example.com"), PASSWORD).await;
            assert_eq!(status, 200, "{staff}");
            assert_eq!(staff["data"]["user"]["roles"], roles);
            assert_eq!(staff["data"]["user"]["display_name"], name);
        }
        assert_eq!(log_in(&service, "+2348012345679", PASSWORD).await.0, 200);
        assert_eq!(log_in(&service, "person-6@example.com", PASSWORD).await.0, 401);
    }
}

#[tokio::test]
async fn an_import_works_in_production_mode_on_keys_of_the_operators() {
    let place = Place::new(testkit::Engine::Production).await;
    let ring = result(&run(&["keys", "generate"], &[]));
    let file = place.people("users", &[person_with(1, &json!({}))]);
    let import = |keys: &[(&str, &str)]| {
        let mut command = place.import_command(Path::new(&file), &[]);
        command.env("FASHIONISTAR_AUTH__MODE", "production");
        for (name, value) in keys {
            command.env(format!("FASHIONISTAR_AUTH__{name}"), value);
        }
        command.output().unwrap()
    };
    let without = import(&[]);
    assert_eq!(without.status.code(), Some(2));
    assert!(
        complaint(&without).contains("keys.file"),
        "{}",
        complaint(&without)
    );
    let output = import(&[("KEYS__JSON", ring.trim())]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    place.assert_people(1).await;
}
