//! The examples of the OpenAPI document, which the page at `/docs` fills its forms with.

use serde_json::{Map, Value, json};
use testkit::Engine;

use crate::app::TestApp;

/// The example of a schema, put together as the page does it.
fn example_of(document: &Value, schema: &Value) -> Value {
    if let Some(path) = schema["$ref"].as_str() {
        let path = path.trim_start_matches('#');
        return example_of(document, document.pointer(path).unwrap());
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    let choices = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    if let Some(choices) = choices {
        let is_something = |choice: &&Value| choice["type"] != "null";
        return example_of(document, choices.iter().find(is_something).unwrap());
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| example_of(document, part));
        let members = parts.flat_map(|part| part.as_object().cloned().unwrap_or_default());
        return members.collect::<Map<_, _>>().into();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| **kind != "null").unwrap(),
        kind => kind,
    };
    match kind.as_str().unwrap() {
        "object" => {
            let members = schema["properties"].as_object().unwrap().iter();
            let members = members.map(|(name, it)| (name.clone(), example_of(document, it)));
            members.collect::<Map<_, _>>().into()
        }
        "array" => json!([example_of(document, &schema["items"])]),
        "boolean" => json!(true),
        "integer" => json!(0),
        "string" => json!("string"),
        other => panic!("no example of {other}"),
    }
}

/// Every body as it stands is one that the route understands. Those that need nothing from before are carried out.
#[tokio::test(flavor = "multi_thread")]
async fn every_example_can_be_sent_as_it_stands() {
    let app = TestApp::start(Engine::Embedded).await;
    let person = app.register_person().await;
    let document: Value = serde_json::from_str(&api_http::openapi_json()).unwrap();
    let carried_out = [
        "/api/v1/auth/register",
        "/api/v1/auth/login/otp",
        "/api/v1/auth/password/reset",
    ];
    let mut sent = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(content) = operation.pointer("/requestBody/content") else {
                continue;
            };
            let content = &content["application/json"];
            let body = content.get("example").cloned();
            let body = body.unwrap_or_else(|| example_of(&document, &content["schema"]));
            let path = path.replace("{id}", "019a2b3c-4d5e-7f80-91a2-b3c4d5e6f708");
            let request = app
                .request(&method.to_uppercase(), &path)
                .bearer_auth(&person.tokens.access)
                .json(&body);
            let answer = app.send(request).await;
            let refused_for_its_form = matches!(answer.status.as_u16(), 400 | 413 | 415 | 422)
                && ["malformed_request", "validation_failed", "weak_password"]
                    .contains(&answer.json()["code"].as_str().unwrap_or_default());
            assert!(!refused_for_its_form, "{method} {path} {body}: {answer:?}");
            if carried_out.contains(&path.as_str()) {
                answer.assert_status(202);
            }
            sent += 1;
        }
    }
    assert!(sent > 20, "{sent} bodies");
}
