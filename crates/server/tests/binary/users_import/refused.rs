//! Whom an import refuses, why, and what it says of them.

use serde_json::{Value, json};

use super::place::{HASH, Place, json_lines, person, person_with, told};
use crate::process::complaint;

/// Fields of a line, and what is said of it.
fn refusals() -> Vec<(Value, &'static str)> {
    let hash = |text: &str| json!({ "password": text });
    vec![
        (json!({"is_verified": false}), "not_verified"),
        (json!({"email": null}), "no_identifier"),
        (json!({"email": " "}), "no_identifier"),
        (json!({"identifier": "phone"}), "no_identifier"),
        (json!({"phone": "+2348098765432"}), "ambiguous_identifier"),
        (json!({"email": "canary@localhost"}), "invalid_email"),
        (
            json!({"email": null, "phone": "08098765432", "country": null}),
            "invalid_phone",
        ),
        (
            json!({"email": null, "phone": "+234 809 876 543"}),
            "invalid_phone",
        ),
        (json!({"email": "PERSON-1@example.com"}), "identifier_taken"),
        (json!({"role": null}), "no_role"),
        (json!({"role": "root"}), "unknown_role"),
        (json!({"role": "Client"}), "unknown_role"),
        (json!({"is_staff": true}), "staff_without_role"),
        (json!({"role": "admin"}), "role_without_staff"),
        (
            hash("md5$canary$5f4dcc3b5aa765d61d8327deb882cf99"),
            "password_scheme_unknown",
        ),
        (hash("canary-in-clear"), "password_scheme_unknown"),
        (hash("pbkdf2_sha256$1000$canary"), "password_malformed"),
        (
            hash(&HASH.replace("$1000$", "$99000000$")),
            "password_too_costly",
        ),
        (json!({"first_name": "canary\u{202e}"}), "invalid_profile"),
        (json!({"last_name": "canary".repeat(20)}), "invalid_profile"),
        (json!({"country": "Canaria"}), "invalid_profile"),
        (json!({"language": "e_canary"}), "invalid_profile"),
        (
            json!({"date_joined": "2999-01-01T00:00:00Z"}),
            "invalid_date_joined",
        ),
        (
            json!({"date_joined": "1969-12-31T23:59:59Z"}),
            "invalid_date_joined",
        ),
        (
            json!({"balance_minor": -1, "currency": "NGN"}),
            "negative_balance",
        ),
        (
            json!({"balance_minor": 1, "currency": "canary"}),
            "invalid_currency",
        ),
        (json!({"balance_minor": 1}), "no_currency"),
        (json!({"google_sub": "canary\u{e9}"}), "invalid_subject"),
        (json!({"identities": {"canary": "1"}}), "unknown_provider"),
        (
            json!({"google_sub": "1", "identities": {"google": "1"}}),
            "several_identities",
        ),
    ]
}

testkit::on_every_engine! {
    async fn everybody_refused_is_told_with_the_reason(engine: Engine) {
        let place = Place::new(engine).await;
        let refusals = refusals();
        let mut people = vec![person(1)];
        people.extend((101..).zip(&refusals).map(|(id, (fields, _))| person_with(id, fields)));
        people.push(person(2));
        let file = place.people("users", &people);
        let report = place.path("report");
        let output = place.import(&file, &["--report", report.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(told(&output, "imported: "), 2);
        assert_eq!(told(&output, "refused: "), refusals.len() as u64);
        place.assert_people(2).await;

        let told = json_lines(&report);
        assert_eq!(told.len(), refusals.len());
        for (number, (fields, code)) in refusals.iter().enumerate() {
            let id = (number + 101).to_string();
            let line = told.iter().find(|line| line["id"] == id.as_str()).unwrap();
            assert_eq!((&line["line"], &line["code"]), (&json!(number + 2), &json!(code)), "{fields}");
            assert!(!line["reason"].as_str().unwrap().is_empty());
        }
    }

    async fn nothing_of_the_file_is_in_what_is_said(engine: Engine) {
        let place = Place::new(engine).await;
        let mut people = vec![person_with(1, &json!({"last_name": "Canary-Obi"}))];
        people.extend((101..).zip(refusals()).map(|(id, (fields, _))| person_with(id, &fields)));
        let mut lines: Vec<String> = people.iter().map(Value::to_string).collect();
        lines.push("{\"id\":7,\"email\":\"canary@example.com\"".to_owned());
        lines.push("{\"id\":7,\"canary@example.com\":1,\"is_active\":\"canary\"}".to_owned());
        let file = place.file("users", &lines);
        let import = |arguments: &[&str]| {
            let mut command = place.import_command(&file, arguments);
            let output = command.env("FASHIONISTAR_AUTH__TELEMETRY__LOG", "trace").output();
            output.unwrap()
        };
        let as_text = import(&[]);
        let text = crate::process::result(&as_text);
        assert!(text.contains("line 2 (id 101): not_verified: "), "{text}");
        let report = place.path("report");
        let mapping = place.path("mapping");
        let arguments = ["--report", report.to_str().unwrap(), "--mapping", mapping.to_str().unwrap()];
        let as_json = import(&arguments);
        let said = [
            text,
            complaint(&as_text),
            complaint(&as_json),
            crate::process::result(&as_json),
            std::fs::read_to_string(&report).unwrap(),
            std::fs::read_to_string(&mapping).unwrap(),
        ];
        for text in said {
            let text = text.to_lowercase();
            for secret in ["canary", "person-1", "obi", "8098765432", "seasalt", "5dtsopz"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }
}
