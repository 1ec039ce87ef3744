use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value;

use super::*;
use crate::routes::{Presence, Query};

fn rows() -> BTreeSet<(String, String)> {
    routes::all()
        .iter()
        .filter(|spec| !matches!(spec.presence, Presence::Pages | Presence::Management))
        // The files of a page are not part of the API.
        .filter(|spec| spec.path != "/dev/mailbox/{file}")
        .map(|spec| (spec.method.as_http().to_string(), spec.path.to_owned()))
        .collect()
}

fn operations() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, it)| (method.to_uppercase(), path.clone(), it.clone()))
        })
        .collect()
}

#[test]
fn what_is_registered_is_what_is_documented() {
    let documented: BTreeSet<_> = operations()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    assert_eq!(documented, rows());
}

#[test]
fn operation_ids_are_unique() {
    let ids: BTreeSet<_> = operations()
        .into_iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), operations().len());
}

#[test]
fn an_operation_asks_for_a_token_exactly_when_its_route_does() {
    for (method, path, operation) in operations() {
        let spec = routes::all()
            .iter()
            .find(|it| it.path == path && it.method.as_http().as_str() == method)
            .unwrap();
        let asks = operation["security"][0].get("bearer").is_some();
        assert_eq!(asks, spec.access == Access::SignedIn, "{spec:?}");
    }
}

#[test]
fn an_operation_documents_exactly_the_parameters_that_its_route_takes() {
    for (method, path, operation) in operations() {
        let spec = routes::all()
            .iter()
            .find(|it| it.path == path && it.method.as_http().as_str() == method)
            .unwrap();
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let documented: Vec<_> = parameters
            .iter()
            .filter(|it| it["in"] == "query")
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        match spec.query {
            Query::Only(names) => assert_eq!(documented, names, "{spec:?}"),
            Query::Ignored => assert!(documented.is_empty(), "{spec:?}"),
        }
    }
}

#[test]
fn every_refusal_is_a_problem_document() {
    let document = serde_json::to_value(openapi()).unwrap();
    for (_, path, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = response["$ref"].as_str().map_or(response, |reference| {
                document.pointer(&reference[1..]).unwrap()
            });
            if status.starts_with(['4', '5']) {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{path} {status}");
            }
            let headers = &response["headers"];
            assert!(headers["X-Request-Id"].is_object(), "{path} {status}");
        }
    }
}

/// Schemas that allow additional members: the keys in a key set differ by algorithm, and RFC 7517 permits any
/// member; browsers add members to the result of `PublicKeyCredential.toJSON()`.
const OPEN: [&str; 5] = [
    "KeySet",
    "RegistrationCredential",
    "AttestationResponse",
    "AuthenticationCredential",
    "AssertionResponse",
];

#[test]
fn every_object_is_closed() {
    let document = serde_json::to_value(openapi()).unwrap();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if schema["type"] == "object" && !OPEN.contains(&name.as_str()) {
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
    }
}

#[test]
fn the_written_document_is_the_one_the_code_makes() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        written == openapi_json(),
        "docs/openapi.json is not what the code makes; run: cargo run -- openapi > docs/openapi.json"
    );
}
