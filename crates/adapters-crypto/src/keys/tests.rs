use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Barrier},
};

use serde_json::{Value, json};

use super::*;
use crate::test_support::{NOW, SeededRandom};

fn document() -> Value {
    let json = KeyRing::generate(&SeededRandom::new(1), NOW).to_json();
    serde_json::from_str(json.expose_secret()).unwrap()
}

fn parse(document: &Value) -> Result<KeyRing, KeyRingError> {
    KeyRing::from_json(&document.to_string().into())
}

fn refusal(document: &Value) -> String {
    parse(document).unwrap_err().to_string()
}

#[test]
fn a_ring_survives_its_document() {
    let ring = KeyRing::generate(&SeededRandom::new(1), NOW);
    let again = KeyRing::from_json(&ring.to_json()).unwrap();
    assert_eq!(
        again.to_json().expose_secret(),
        ring.to_json().expose_secret()
    );
    assert!(again.is_development());
    let provided = KeyRing::from_json(&again.into_provided().to_json()).unwrap();
    assert!(!provided.is_development());
}

#[test]
fn every_kind_of_key_is_a_key_of_its_own() {
    let ring = KeyRing::generate(&SeededRandom::new(1), NOW);
    let mut keys = std::collections::HashSet::new();
    for section in [
        &ring.field_encryption,
        &ring.blind_index,
        &ring.refresh_tokens,
        &ring.device_tokens,
        &ring.codes,
        &ring.password_pepper,
    ] {
        assert!(keys.insert(*section.current().bytes()));
    }
}

/// A version 1 document with a second key in one section.
fn first_document() -> Value {
    let mut document = document();
    document["version"] = json!(1);
    for section in document.as_object_mut().unwrap().values_mut() {
        for entry in section.as_array_mut().into_iter().flatten() {
            let entry = entry.as_object_mut().unwrap();
            entry.retain(|name, _| ["id", "key", "algorithm"].contains(&name.as_str()));
        }
    }
    let section = document["refresh_tokens"].as_array_mut().unwrap();
    section.insert(0, json!({"id": "newer", "key": OTHER_KEY}));
    document
}

const OTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn of_a_first_document_the_first_key_is_current_and_the_others_are_previous() {
    let document = first_document();
    let older = document["refresh_tokens"][1]["id"].as_str().unwrap();
    let ring = parse(&document).unwrap();
    assert_eq!(ring.refresh_tokens.current().id(), "newer");
    assert!(ring.refresh_tokens.find(older).is_some());
    assert!(ring.refresh_tokens.find("never").is_none());
    assert_eq!(ring.refresh_tokens.previous().count(), 1);
    let again: Value = serde_json::from_str(ring.to_json().expose_secret()).unwrap();
    assert_eq!(again["version"], 2);
    assert_eq!(again["refresh_tokens"][0]["state"], "current");
    assert_eq!(again["refresh_tokens"][1]["state"], "previous");
    assert_eq!(again["refresh_tokens"][1].get("since"), None);
}

#[test]
fn a_document_names_the_stage_of_every_key_whatever_their_order() {
    let mut document = document();
    let section = document["codes"].as_array_mut().unwrap();
    let current = section[0]["id"].as_str().unwrap().to_owned();
    section.insert(0, json!({"id": "n", "state": "next", "key": OTHER_KEY}));
    section.insert(
        0,
        json!({"id": "gone", "state": "retired", "since": "2026-01-01T00:00:00Z"}),
    );
    let ring = parse(&document).unwrap();
    assert_eq!(ring.codes.current().id(), current);
    assert_eq!(ring.codes.next().unwrap().id(), "n");
    assert_eq!(ring.codes.retired().collect::<Vec<_>>(), ["gone"]);
    assert!(ring.codes.find("gone").is_none());
    let again = KeyRing::from_json(&ring.to_json()).unwrap();
    assert_eq!(again.keys(), ring.keys());
}

#[test]
fn a_document_with_a_fault_is_refused_with_its_place() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        refusal(&document)
    };
    assert_eq!(
        with(&|it| it["version"] = json!(3)),
        "the key ring has version 3, which this release does not know"
    );
    assert_eq!(
        with(&|it| it["codes"] = json!([])),
        "the key ring has no key in codes"
    );
    for id in ["", "a.b", "a b", "é", &"x".repeat(33)] {
        let message = with(&|it| it["codes"][0]["id"] = json!(id));
        assert!(message.contains("a key id in codes"), "{message}");
    }
    for key in [
        "",
        "AAAA",
        "not base64",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let message = with(&|it| it["codes"][0]["key"] = json!(key));
        assert!(message.ends_with("is not 256 bits in base64"), "{message}");
    }
    let twice = with(&|it| {
        let entry = it["codes"][0].clone();
        it["codes"] = json!([entry, {"id": entry["id"], "state": "previous", "key": OTHER_KEY}]);
    });
    assert!(twice.contains("two keys in codes"), "{twice}");
    let stages = |first: Value, second: Value| {
        with(&|it| {
            it["codes"][0]["state"] = first.clone();
            let mut other = second.clone();
            other["id"] = json!("other");
            it["codes"].as_array_mut().unwrap().push(other);
        })
    };
    for state in ["current", "next"] {
        let first = if state == "next" { "next" } else { "current" };
        let refused = stages(json!(first), json!({"state": state, "key": OTHER_KEY}));
        assert_eq!(
            refused,
            format!("two keys in codes of the key ring are {state}")
        );
    }
    let none = with(&|it| it["codes"][0]["state"] = json!("previous"));
    assert_eq!(none, "the key ring has no key in codes");
    let keyless = stages(json!("current"), json!({"state": "next"}));
    assert!(
        keyless.ends_with("is next, and must have a value"),
        "{keyless}"
    );
    let undead = stages(
        json!("current"),
        json!({"state": "retired", "key": OTHER_KEY}),
    );
    assert!(
        undead.ends_with("is retired, and must not have a value"),
        "{undead}"
    );
    let algorithm = with(&|it| it["codes"][0]["algorithm"] = json!("EdDSA"));
    assert!(
        algorithm.ends_with("is not a key without an algorithm"),
        "{algorithm}"
    );
    let shared = with(&|it| it["codes"][0]["key"] = it["blind_index"][0]["key"].clone());
    assert!(shared.contains("a second time"), "{shared}");
    let other_kind = with(&|it| it["signing"][0]["algorithm"] = json!("ES256"));
    assert!(
        other_kind.ends_with("is not a P-256 private key (PKCS #8, in base64)"),
        "{other_kind}"
    );
    for malformed in [
        with(&|it| it["extra"] = json!(1)),
        with(&|it| it["origin"] = json!("found")),
        with(&|it| it["signing"][0]["algorithm"] = json!("none")),
        with(&|it| it["codes"] = Value::Null),
        with(&|it| it["codes"][0]["state"] = json!("resting")),
        with(&|it| it["codes"][0]["since"] = json!("yesterday")),
        with(&|it| it["version"] = json!(1)),
    ] {
        assert!(malformed.contains("no well-formed document"), "{malformed}");
    }
}

#[test]
fn neither_debug_nor_an_error_shows_a_key() {
    let text = document().to_string();
    let key = document()["codes"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!(
        format!("{:?}", KeyRing::from_json(&text.clone().into()).unwrap()),
        "KeyRing { origin: Generated, .. }"
    );
    let misplaced = text.replace("\"version\":2", &format!("\"version\":\"{key}\""));
    let error = KeyRing::from_json(&misplaced.into()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&key), "{error:?}");
}

#[test]
fn the_first_start_makes_a_ring_that_only_its_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let first = KeyRing::load_or_create(&path, &SeededRandom::new(1), NOW).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(first.is_development());
    let again = KeyRing::load_or_create(&path, &SeededRandom::new(2), NOW).unwrap();
    assert_eq!(
        again.to_json().expose_secret(),
        first.to_json().expose_secret()
    );
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "no draft stays behind");
}

#[test]
fn a_ring_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    KeyRing::load_or_create(&path, &SeededRandom::new(1), NOW).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o666, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyRing::load_or_create(&path, &SeededRandom::new(1), NOW).unwrap_err();
        assert!(matches!(error, KeyRingError::OpenToOthers { mode: found, .. } if found == mode));
        assert!(error.to_string().ends_with("chmod 600"), "{error}");
    }
}

#[test]
fn a_ring_that_should_be_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let missing = KeyRing::load(&path).unwrap_err();
    assert!(matches!(&missing, KeyRingError::Missing(named) if *named == path));
    let told = format!("the key ring at {} is not there", path.display());
    assert_eq!(missing.to_string(), told);
    assert!(
        std::error::Error::source(&missing).is_none(),
        "nothing else is said of it"
    );
    assert!(!path.exists());
    let nowhere = folder.path().join("no/such/folder/keys.json");
    assert!(KeyRing::load_or_create(&nowhere, &SeededRandom::new(1), NOW).is_err());
}

#[test]
fn processes_that_start_at_once_agree_on_one_ring() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let start = Arc::new(Barrier::new(8));
    let starters: Vec<_> = (0..8)
        .map(|seed| {
            let (path, start) = (path.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                let random = SeededRandom::new(seed);
                start.wait();
                let ring = KeyRing::load_or_create(&path, &random, NOW).unwrap();
                ring.to_json().expose_secret().to_owned()
            })
        })
        .collect();
    let rings: std::collections::HashSet<_> = starters
        .into_iter()
        .map(|starter| starter.join().unwrap())
        .collect();
    assert_eq!(rings.len(), 1);
}
