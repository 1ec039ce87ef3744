//! Commands, their results and their exit statuses.

use std::fs;

use serde_json::Value;

use crate::process::{complaint, result, run};

#[test]
fn help_and_version_are_results() {
    let help = run(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    let text = result(&help);
    for expected in [
        "serve",
        "migrate",
        "openapi",
        "keys",
        "users",
        "--config",
        "Examples:",
        "FASHIONISTAR_AUTH__",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(run(&["--version"], &[]).status.code(), Some(0));
}

#[test]
fn the_openapi_document_is_printed_without_any_configuration() {
    // Not even a wrong one matters.
    let output = run(&["openapi"], &[("HTTP__LISTEN", "nowhere")]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let document: Value = serde_json::from_str(&result(&output)).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(document["paths"]["/api/v1/auth/register"].is_object());
    assert_eq!(complaint(&output), "");
}

#[test]
fn what_is_no_command_is_status_2() {
    for arguments in [
        &["frobnicate"][..],
        &["--verbose"],
        &["migrate"],
        &["migrate", "down", "--steps", "0", "--yes"],
    ] {
        let output = run(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(result(&output), "", "{arguments:?}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_status_2_and_all_told() {
    let settings = [
        ("MODE", "production"),
        ("HTTP__LISTEN", "nowhere"),
        ("REDIS__URL", "http://:canary-of-a-store@redis"),
        ("NOWHERE__ISSUER", "https://id.example.com"),
    ];
    let output = run(&[], &settings);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(result(&output), "");
    let text = complaint(&output);
    for expected in [
        "http.listen (variable FASHIONISTAR_AUTH__HTTP__LISTEN): must be",
        "redis.url (variable FASHIONISTAR_AUTH__REDIS__URL): must be",
        "nowhere.issuer (variable FASHIONISTAR_AUTH__NOWHERE__ISSUER): there is no such setting",
        "http.public_url (not set): must be set in production mode",
        "keys.file (not set): must be set in production mode",
        "messages.sender (not set): must be set in production mode",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn the_schema_goes_up_and_down_and_tells_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let settings = [
        ("DATA_DIR", data_dir.to_str().unwrap()),
        ("TELEMETRY__LOG", "error"),
    ];
    let migrate = |arguments: &[&str]| {
        let output = run(&[&["migrate"], arguments].concat(), &settings);
        (output.status.code(), result(&output), complaint(&output))
    };
    let (status, before, _) = migrate(&["status"]);
    assert_eq!(status, Some(0));
    assert!(
        before.lines().count() > 0 && before.lines().all(|line| line.starts_with("pending  m"))
    );

    let (status, applied, complaint) = migrate(&["up"]);
    assert_eq!((status, complaint.as_str()), (Some(0), ""));
    assert_eq!(applied, before.replace("pending ", "applied "));
    assert_eq!(migrate(&["status"]).1, applied);
    assert_eq!(migrate(&["up"]).1, "nothing is pending\n");

    let (status, nothing, complaint) = migrate(&["down"]);
    assert_eq!((status, nothing.as_str()), (Some(2), ""));
    assert!(complaint.contains("say --yes"), "{complaint}");
    let newest: Vec<&str> = applied.lines().rev().take(2).collect();
    let (status, reverted, _) = migrate(&["down", "--steps", "2", "--yes"]);
    assert_eq!(status, Some(0));
    assert_eq!(
        reverted,
        newest.join("\n").replace("applied ", "reverted") + "\n"
    );
}

#[test]
fn a_command_that_cannot_reach_the_database_is_status_1() {
    let settings = [
        (
            "DATABASE__URL",
            "postgres://auth:canary-of-a-store@127.0.0.1:9/auth",
        ),
        ("TELEMETRY__LOG", "off"),
    ];
    let output = run(&["migrate", "status"], &settings);
    assert_eq!(output.status.code(), Some(1));
    let text = complaint(&output);
    assert!(text.contains("the database cannot be used"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn keys_are_generated_for_production_and_differ_every_time() {
    let ring = || {
        let output = run(&["keys", "generate"], &[]);
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_str::<Value>(&result(&output)).unwrap()
    };
    let (one, other) = (ring(), ring());
    assert_eq!(one["origin"], "provided");
    assert_ne!(one["codes"][0]["key"], other["codes"][0]["key"]);
}

#[test]
fn a_file_names_the_settings_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.toml");
    fs::write(&path, "[http]\nlisten = 'nowhere'\n").unwrap();
    let file = path.to_str().unwrap();
    for (arguments, settings) in [
        (&["--config", file][..], &[][..]),
        (&["serve", "--config", file], &[]),
        (&[], &[("CONFIG", file)]),
    ] {
        let output = run(arguments, settings);
        assert_eq!(output.status.code(), Some(2));
        let expected = format!("http.listen (file {file}, line 2): must be an IP address");
        assert!(
            complaint(&output).contains(&expected),
            "{}",
            complaint(&output)
        );
    }
}
