//! The table of deadlines in `docs/degraded-modes.md` says what the code does (OWASP ASVS 5.0 V13.1).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a broken expectation fails the test"
)]

use std::{fs, path::Path, time::Duration};

use adapters_crypto::JwtConfig;
use server::config::Config;

/// A row of the table: how long, and where it stands.
struct Row {
    at_most: Duration,
    place: String,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn rows() -> Vec<Row> {
    let document = fs::read_to_string(root().join("docs/degraded-modes.md")).unwrap();
    let (_, section) = document.split_once("\n## Deadlines\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| "));
    lines
        .skip(1)
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [_, at_most, place] = cells.as_slice() else {
                panic!("three columns: {line}");
            };
            Row {
                at_most: duration(at_most),
                place: (*place).to_owned(),
            }
        })
        .collect()
}

/// `500 ms`, `10 s`, `5 min`.
fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_once(' ').unwrap();
    let number = number.parse().unwrap();
    match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "min" => Duration::from_mins(number),
        _ => panic!("no unit of time: {text}"),
    }
}

fn setting(name: &str) -> Duration {
    let config = Config::default();
    match name {
        "http.request_deadline_seconds" => config.http.request_deadline,
        "http.head_deadline_seconds" => config.http.connections.head_deadline,
        "http.body_deadline_seconds" => config.http.connections.body_deadline,
        "http.answer_deadline_seconds" => config.http.connections.answer_deadline,
        "http.keep_alive_seconds" => config.http.connections.keep_alive,
        "http.write_stall_seconds" => config.http.connections.write_stall,
        "database.acquire_timeout_seconds" => config.database.acquire_timeout,
        "database.statement_timeout_seconds" => config.database.statement_timeout,
        "messages.smtp.timeout_seconds" => config.messages.email.smtp.timeout,
        "messages.sms.timeout_seconds" => config.messages.sms.timeout,
        _ => panic!("{name} is not known to this test"),
    }
}

/// What `const NAME: … = Duration::from_…(…)` says in a file.
fn constant(name: &str, file: &str) -> Duration {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let begins = format!("const {name}: ");
    let line = text.lines().find(|line| line.contains(&begins));
    let line = line.unwrap_or_else(|| panic!("no {name} in {file}"));
    let (_, value) = line.split_once("Duration::from_").unwrap();
    let (unit, number) = value.split_once('(').unwrap();
    let number = number.trim_end_matches(");").replace('_', "");
    let unit = match unit {
        "millis" => "ms",
        "secs" => "s",
        "mins" => "min",
        _ => panic!("another unit: {line}"),
    };
    duration(&format!("{number} {unit}"))
}

#[test]
fn every_deadline_in_the_document_is_the_codes() {
    let rows = rows();
    assert!(rows.len() >= 20, "{} rows", rows.len());
    for Row { at_most, place } in rows {
        let in_code = match place.split_once(" in ") {
            Some((name, file)) => constant(name.trim_matches('`'), file.trim_matches('`')),
            None => setting(place.trim_matches('`')),
        };
        assert_eq!(at_most, in_code, "{place}");
    }
}

#[test]
fn the_leeway_of_tokens_in_the_document_is_the_codes() {
    let document = fs::read_to_string(root().join("docs/degraded-modes.md")).unwrap();
    let seconds = JwtConfig::LEEWAY.whole_seconds();
    let said = format!("access tokens ({seconds} seconds of leeway)");
    assert!(document.contains(&said), "must say: {said}");
}
