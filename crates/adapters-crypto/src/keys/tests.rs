use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Barrier},
};

use serde_json::{Value, json};

use super::*;
use crate::test_support::SeededRandom;

fn document() -> Value {
    let json = KeyRing::generate(&SeededRandom::new(1)).to_json();
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
    let ring = KeyRing::generate(&SeededRandom::new(1));
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
    let ring = KeyRing::generate(&SeededRandom::new(1));
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

#[test]
fn the_first_key_is_current_and_the_others_are_known() {
    let mut document = document();
    let section = document["refresh_tokens"].as_array_mut().unwrap();
    let older = section[0]["id"].as_str().unwrap().to_owned();
    let bytes = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    section.insert(0, json!({"id": "newer", "key": bytes}));
    let ring = parse(&document).unwrap();
    assert_eq!(ring.refresh_tokens.current().id(), "newer");
    assert!(ring.refresh_tokens.find(&older).is_some());
    assert!(ring.refresh_tokens.find("never").is_none());
}

#[test]
fn a_document_with_a_fault_is_refused_with_its_place() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = document();
        change(&mut document);
        refusal(&document)
    };
    assert_eq!(
        with(&|it| it["version"] = json!(2)),
        "the key ring has version 2, which this release does not know"
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
        it["codes"] = json!([entry, {"id": entry["id"], "key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]);
    });
    assert!(twice.contains("two keys in codes"), "{twice}");
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
    let misplaced = text.replace("\"version\":1", &format!("\"version\":\"{key}\""));
    let error = KeyRing::from_json(&misplaced.into()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&key), "{error:?}");
}

#[test]
fn the_first_start_makes_a_ring_that_only_its_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let first = KeyRing::load_or_create(&path, &SeededRandom::new(1)).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(first.is_development());
    let again = KeyRing::load_or_create(&path, &SeededRandom::new(2)).unwrap();
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
    KeyRing::load_or_create(&path, &SeededRandom::new(1)).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o666, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyRing::load_or_create(&path, &SeededRandom::new(1)).unwrap_err();
        assert!(matches!(error, KeyRingError::OpenToOthers { mode: found, .. } if found == mode));
        assert!(error.to_string().ends_with("chmod 600"), "{error}");
    }
}

#[test]
fn a_ring_that_should_be_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    assert!(matches!(
        KeyRing::load(&path),
        Err(KeyRingError::File { .. })
    ));
    assert!(!path.exists());
    let nowhere = folder.path().join("no/such/folder/keys.json");
    assert!(KeyRing::load_or_create(&nowhere, &SeededRandom::new(1)).is_err());
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
                let ring = KeyRing::load_or_create(&path, &random).unwrap();
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
