//! The file as the guide makes it: by its query, and by Django's own command.

use std::{path::Path, process::Command};

use serde_json::json;
use testkit::Engine;

use super::{
    place::{HASH, PASSWORD, Place, json_lines, told},
    signs_in::log_in,
};
use crate::process::complaint;

const GUIDE: &str = include_str!("../../../../../docs/migrating-from-django.md");

/// Fields that are there.
const USERS: &str = "CREATE TABLE userauths_unifieduser (
    id bigint PRIMARY KEY, email text, phone text, password text NOT NULL, role text NOT NULL,
    is_verified boolean NOT NULL, is_active boolean NOT NULL, is_staff boolean NOT NULL,
    is_superuser boolean NOT NULL, first_name text NOT NULL, last_name text NOT NULL, country text,
    date_joined timestamptz NOT NULL, last_login timestamptz, wallet_balance numeric(12, 2) NOT NULL)";

#[tokio::test]
async fn the_query_of_the_guide_makes_the_file() {
    let place = Place::new(Engine::Production).await;
    place.database.execute(USERS).await;
    let insert = format!(
        "INSERT INTO userauths_unifieduser VALUES
         (7, 'ada@example.com', '', '{HASH}', 'client', true, true, false, false, 'Ada \"\\', 'O''Bi', 'NG',
          '2021-03-04 05:06:07.123456+00', NULL, 12.50),
         (8, NULL, '+2348012345678', '!x', 'vendor', true, false, false, false, '', '', '', now(), now(), 0)"
    );
    place.database.execute(&insert).await;
    let (_, query) = GUIDE
        .split_once("```sql\n-- users.sql\n")
        .expect("the query");
    let (query, _) = query.split_once(";\n```").expect("its end");
    let rows = place
        .database
        .rows(&format!("SELECT j::text FROM ({query}) AS q(j)"))
        .await;
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    let mapping = place.path("mapping");
    let output = place.import(
        &place.file("users", &lines),
        &["--mapping", mapping.to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    assert_eq!(told(&output, "imported: "), 2);
    assert!(
        !crate::process::result(&output).contains("means nothing"),
        "{output:?}"
    );

    let service = place.serve();
    let (status, body) = log_in(&service, "ada@example.com", PASSWORD).await;
    assert_eq!(status, 200, "{body}");
    let user = &body["data"]["user"];
    assert_eq!(user["display_name"], "Ada \"\\ O'Bi");
    assert_eq!(
        user["wallet"],
        json!({"balance_minor": 1250, "currency": "NGN"})
    );
    assert_eq!(user["id"], json_lines(&mapping)[0]["account_id"]);
}

#[tokio::test]
async fn djangos_own_command_makes_the_file() {
    let place = Place::new(Engine::Embedded).await;
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let site = place.path("site");
    let made = Command::new(testkit::servers::python())
        .args(["-c", include_str!("from_django.py")])
        .args([site.clone(), project.join("deploy/django/export_users.py")])
        .arg(PASSWORD)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", complaint(&made));
    let output = place.import(&site.join("users.ndjson"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    assert_eq!(
        (
            told(&output, "imported: "),
            told(&output, "  not_verified: ")
        ),
        (3, 1)
    );
    assert!(
        !crate::process::result(&output).contains("means nothing"),
        "{output:?}"
    );

    let service = place.serve();
    for (identifier, roles) in [
        ("ada@example.com", json!(["vendor"])),
        ("+233201234567", json!(["client"])),
        ("root@example.com", json!(["client", "admin"])),
    ] {
        let (status, body) = log_in(&service, identifier, PASSWORD).await;
        assert_eq!(
            (status, &body["data"]["user"]["roles"]),
            (200, &roles),
            "{identifier}: {body}"
        );
    }
    assert_eq!(
        log_in(&service, "mallory@example.com", PASSWORD).await.0,
        401
    );
}
