//! Files that are not as they should be.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::json;
use testkit::{Engine, TestDatabase};

use super::place::{Place, json_lines, people, person, person_with, told};
use crate::process::{complaint, result};

#[tokio::test]
async fn what_editors_and_other_systems_do_to_files_does_not_matter() {
    let place = Place::new(Engine::Embedded).await;
    let lines: Vec<String> = people(1..=3).iter().map(ToString::to_string).collect();
    let file = place.path("users");
    fs::write(
        &file,
        format!("\u{feff}{}\r\n\r\n  {}\r\n{}", lines[0], lines[1], lines[2]),
    )
    .unwrap();
    let output = place.import(&file, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    assert_eq!(told(&output, "imported: "), 3);
}

#[tokio::test]
async fn every_faulty_line_is_told_and_the_others_are_imported() {
    let place = Place::new(Engine::Embedded).await;
    let file = place.path("users");
    let mut bytes = Vec::new();
    let long = person_with(2, &json!({"first_name": "x".repeat(70_000)})).to_string();
    for line in [
        person(1).to_string().into_bytes(),
        long.into_bytes(),
        b"{\"id\": 3, \"email\": \"\xff@example.com\"}".to_vec(),
        b"{\"id\": 4,".to_vec(),
        b"[5]".to_vec(),
        b"{\"id\":6,\"id\":6}".to_vec(),
        b"{\"email\":\"x@example.com\"}".to_vec(),
        b"{\"id\":\"eight\"}".to_vec(),
        b"{\"id\":9,\"is_active\":true}".to_vec(),
        b"{\"id\":10,\"email\":10}".to_vec(),
        person(11).to_string().into_bytes(),
    ] {
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
    }
    fs::write(&file, bytes).unwrap();
    let report = place.path("report");
    let output = place.import(&file, &["--report", report.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("lines were refused: 9"),
        "{}",
        complaint(&output)
    );
    assert_eq!(told(&output, "imported: "), 2);
    let found: Vec<_> = json_lines(&report)
        .iter()
        .map(|it| {
            (
                it["line"].as_u64().unwrap(),
                it["id"].clone(),
                it["code"].clone(),
            )
        })
        .collect();
    let expected = [
        (2, json!(null), "line_too_long"),
        (3, json!(null), "not_utf8"),
        (4, json!(null), "not_json"),
        (5, json!(null), "not_an_object"),
        (6, json!(null), "not_an_object"),
        (7, json!(null), "no_id"),
        (8, json!(null), "invalid_id"),
        (9, json!("9"), "missing_field"),
        (10, json!("10"), "wrong_type"),
    ]
    .map(|(line, id, code)| (line, id, json!(code)));
    assert_eq!(found, expected);
    assert_eq!(
        fs::metadata(&report).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn fields_that_mean_nothing_here_are_told_and_do_no_harm() {
    let place = Place::new(Engine::Embedded).await;
    let people = [
        person_with(1, &json!({"avatar": "x.png", "id_card": {"a": [1]}})),
        person_with(2, &json!({"avatar": null})),
    ];
    let output = place.import(&place.people("users", &people), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    assert_eq!(told(&output, "field avatar means nothing here: "), 2);
    assert_eq!(told(&output, "field id_card means nothing here: "), 1);
}

#[tokio::test]
async fn an_empty_file_is_no_fault_and_no_file_is_one() {
    let place = Place::new(Engine::Embedded).await;
    let output = place.import(&place.file("empty", &[]), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    assert_eq!(told(&output, "imported: "), 0);
    for (file, reason) in [
        (place.path("nowhere"), "nowhere cannot be read"),
        (place.path("data"), "data cannot be read"),
    ] {
        let output = place.import(&file, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            complaint(&output).contains(reason),
            "{}",
            complaint(&output)
        );
        assert_eq!(result(&output), "");
    }
}

#[tokio::test]
async fn a_pipe_is_as_good_as_a_file() {
    let place = Place::new(Engine::Embedded).await;
    let mut child = place.import_from_pipe(&[]);
    let mut pipe = child.stdin.take().unwrap();
    for person in people(1..=3) {
        writeln!(pipe, "{person}").unwrap();
    }
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(told(&output, "imported: "), 3);
}

#[tokio::test]
async fn the_users_are_never_written_over() {
    let place = Place::new(Engine::Embedded).await;
    let file = place.people("users", &[person(1)]);
    let before = fs::read(&file).unwrap();
    for option in ["--report", "--mapping"] {
        let output = place.import(&file, &[option, file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(fs::read(&file).unwrap(), before);
    }
    let nowhere = place.path("no/such/folder");
    let output = place.import(&file, &["--report", nowhere.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    for batch in ["0", "1001", "many"] {
        assert_eq!(
            place.import(&file, &["--batch", batch]).status.code(),
            Some(2)
        );
    }
}

testkit::on_every_engine! {
    async fn a_database_that_lacks_migrations_is_left_alone(engine: Engine) {
        let place = Place {
            database: TestDatabase::empty(engine).await,
            folder: tempfile::tempdir().unwrap(),
        };
        let output = place.import(&place.people("users", &[person(1)]), &[]);
        assert_eq!(output.status.code(), Some(1));
        let text = complaint(&output);
        assert!(text.contains("run fashionistar-auth migrate up"), "{text}");
        assert!(!Path::new(&place.path("report")).exists());
    }
}
