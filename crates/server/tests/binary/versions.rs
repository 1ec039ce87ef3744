//! The version is told in several places, and is one.

use std::fs;

use serde_json::Value;

use crate::process::{Service, get, result, run};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn binary_metrics_document_and_changelog_tell_one_version() {
    let printed = result(&run(&["--version"], &[]));
    assert_eq!(printed, format!("fashionistar-auth {VERSION}\n"));

    let document = result(&run(&["openapi"], &[]));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["info"]["version"], VERSION);

    let changelog = concat!(env!("CARGO_MANIFEST_DIR"), "/../../CHANGELOG.md");
    let changelog = fs::read_to_string(changelog).unwrap();
    let released = |line: &&str| line.starts_with("## [") && !line.contains("Unreleased");
    let newest = changelog.lines().find(released).unwrap();
    assert!(
        newest.starts_with(&format!("## [{VERSION}] - ")),
        "{newest}"
    );

    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let metrics = get(service.management, "/metrics");
    let info = metrics
        .lines()
        .find(|line| line.starts_with("target_info{"));
    let info = info.unwrap_or_else(|| panic!("{metrics}"));
    for label in [
        format!("service_version=\"{VERSION}\""),
        "service_instance_id=\"".to_owned(),
    ] {
        assert!(info.contains(&label), "{info}");
    }
}
