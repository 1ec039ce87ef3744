//! The bill of materials of a release (OWASP ASVS 5.0 V15.1.2): `deploy/sbom.py`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::process::{complaint, result};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sbom(arguments: &[&str]) -> Output {
    Command::new(testkit::servers::python())
        .arg(root().join("deploy/sbom.py"))
        .args(arguments)
        .env("CARGO", env!("CARGO"))
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("Python runs")
}

fn bill() -> Value {
    let output = sbom(&[]);
    assert!(output.status.success(), "{}", complaint(&output));
    serde_json::from_str(&result(&output)).unwrap()
}

/// What the check finds wrong with a bill.
fn faults_of(bill: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bill.json");
    fs::write(&file, bill.to_string()).unwrap();
    let output = sbom(&["--check", file.to_str().unwrap()]);
    let faults = result(&output);
    assert_eq!(
        output.status.success(),
        faults.is_empty(),
        "{faults}{}",
        complaint(&output)
    );
    faults
}

fn components(bill: &mut Value) -> &mut Vec<Value> {
    bill["components"].as_array_mut().unwrap()
}

#[test]
fn a_bill_of_materials_names_all_that_goes_into_the_binary() {
    let mut bill = bill();
    assert_eq!(faults_of(&bill), "");
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["metadata"]["component"]["name"], "fashionistar-auth");
    let named = |scope: &str| -> BTreeSet<String> {
        let all = bill["components"].as_array().unwrap().iter();
        let of_scope = all.filter(|it| it["scope"] == scope);
        of_scope
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (linked, built_with) = (named("required"), named("excluded"));
    for name in [
        "actix-web",
        "argon2",
        "authentication-domain",
        "rustls",
        "sea-orm",
        "zxcvbn",
    ] {
        assert!(linked.contains(name), "{name}");
    }
    for name in ["cc", "serde_derive"] {
        assert!(built_with.contains(name), "{name}");
    }
    // What only tests use goes into no release.
    for name in ["testkit", "proptest", "cargo_metadata"] {
        assert!(
            !linked.contains(name) && !built_with.contains(name),
            "{name}"
        );
    }
    for it in components(&mut bill) {
        let name = it["name"].as_str().unwrap();
        let is_ours = it["purl"].is_null();
        assert_eq!(is_ours, it["hashes"].is_null(), "{name}");
        assert!(it["licenses"][0]["expression"].is_string(), "{name}");
        assert!(
            is_ours || it["purl"].as_str().unwrap().starts_with("pkg:cargo/"),
            "{name}"
        );
    }
}

#[test]
fn a_bill_that_is_not_of_this_binary_is_noticed() {
    let good = bill();
    let with = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut bill = good.clone();
        change(components(&mut bill));
        faults_of(&bill)
    };
    let place = |all: &[Value]| all.iter().position(|it| it["name"] == "rustls").unwrap();
    let lost = with(&|all| drop(all.remove(place(all))));
    assert!(
        lost.starts_with("rustls ") && lost.contains("is not in the bill"),
        "{lost}"
    );
    let other = with(&|all| {
        let at = place(all);
        all[at]["hashes"][0]["content"] = json!("0".repeat(64));
    });
    assert!(other.contains("has another checksum"), "{other}");
    let unlinked = with(&|all| {
        let at = place(all);
        all[at]["scope"] = json!("excluded");
    });
    assert!(unlinked.ends_with("is linked\n"), "{unlinked}");
    let invented = with(&|all| {
        all.push(json!({"name": "nothing", "version": "1.0.0", "scope": "required"}));
    });
    assert!(invented.contains("not in Cargo.lock"), "{invented}");
}
