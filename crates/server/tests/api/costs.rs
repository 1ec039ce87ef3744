//! Which routes hash: the table says so, and calls show it.

use api_http::routes::{self, Access, Method, Presence};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    person::{OTHER_PASSWORD, PASSWORD},
};

/// A body for an operation: every property that its schema has, with a likely value.
fn body_for(document: &Value, path: &str, method: &str) -> Option<Value> {
    let body =
        &document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"];
    let schema = resolved(document, body)?;
    let properties = schema["properties"].as_object()?;
    let values = properties
        .iter()
        .map(|(name, schema)| (name.clone(), likely(document, name, schema)));
    Some(Value::Object(values.collect()))
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')),
        None => schema.is_object().then_some(schema),
    }
}

fn likely(document: &Value, name: &str, schema: &Value) -> Value {
    if name.contains("password") {
        return json!(OTHER_PASSWORD);
    }
    match name {
        "identifier" | "email" => return json!("somebody@example.com"),
        "code" => return json!("123456"),
        _ => {}
    }
    let kind = resolved(document, schema).map(|it| it["type"].clone());
    match kind.as_ref().and_then(Value::as_str) {
        Some("boolean") => json!(true),
        Some("integer" | "number") => json!(1),
        Some("object") => json!({}),
        Some("array") => json!([]),
        _ => json!("0".repeat(32)),
    }
}

testkit::on_every_engine! {
    async fn routes_hash_exactly_where_the_table_says_so(engine: Engine) {
        let app = TestApp::start(engine).await;
        let document = app.get("/openapi.json").await.json();
        let person = app.register_person().await;
        let mut walked = 0;
        for spec in routes::all().iter().filter(|spec| !spec.may_hash()) {
            let ends_the_session_that_asks = spec.path.contains("/logout");
            if ends_the_session_that_asks || !matches!(spec.presence, Presence::Public | Presence::Both) {
                continue;
            }
            let method = spec.method.as_http().to_string();
            let path = spec.path.replace("{id}", "01920000-0000-7000-8000-000000000000").replace("{name}", "google");
            let mut request = app.request(&method, &path);
            if spec.access == Access::SignedIn {
                request = request.bearer_auth(&person.tokens.access);
            }
            if let Some(body) = body_for(&document, spec.path, &method.to_lowercase()) {
                request = request.json(&body);
            }
            let before = app.counters();
            let answer = app.send(request).await;
            let after = app.counters();
            let work = (after.hashes - before.hashes, after.estimates - before.estimates);
            assert_eq!(work, (0, 0), "{spec:?}: {answer:?}");
            walked += 1;
        }
        assert!(walked > 30, "{walked}");
        app.me(&person.tokens.access).await.assert_status(200);

        let reset = json!({"identifier": person.identifier});
        app.advance_seconds(61);
        let challenge = app.post("/api/v1/auth/password/reset", &reset).await.text_of("/challenge_id");
        let codes = app.codes_to(&person.identifier, 2).await;
        let code = codes[0]["code"].clone();
        let person_says = |path: &str| match path {
            "/api/v1/auth/register" => json!({"email": "new@example.com", "password": PASSWORD}),
            "/api/v1/auth/login" => json!({"identifier": "nobody@example.com", "password": PASSWORD}),
            "/api/v1/auth/reauthenticate" => json!({"password": OTHER_PASSWORD}),
            "/api/v1/auth/password/reset/confirm" =>
                json!({"challenge_id": challenge, "code": code, "new_password": OTHER_PASSWORD}),
            "/api/v1/auth/password/change" => json!({"current_password": OTHER_PASSWORD, "new_password": PASSWORD}),
            other => panic!("{other} hashes: say what for"),
        };
        // The reset ends the session, so it comes last.
        let mut hashing: Vec<_> = routes::all().iter().filter(|spec| spec.may_hash()).collect();
        hashing.sort_by_key(|spec| spec.path.contains("reset"));
        for spec in hashing {
            assert_eq!(spec.method, Method::Post);
            let mut request = app.post_request(spec.path, &person_says(spec.path));
            if spec.access == Access::SignedIn {
                request = request.bearer_auth(&person.tokens.access);
            }
            let before = app.counters().hashes;
            let answer = app.send(request).await;
            assert_eq!(app.counters().hashes - before, 1, "{spec:?}: {answer:?}");
        }
    }
}
