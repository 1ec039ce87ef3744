//! The same file again, after an end or in the middle of it.

use std::{fs, io::Write as _, time::Instant};

use serde_json::json;
use testkit::Engine;

use super::place::{Place, json_lines, people, person_with, told};
use crate::process::complaint;

/// Everything that is stored, to the last byte.
async fn contents(place: &Place) -> Vec<u8> {
    if place.database.engine() == Engine::Embedded {
        let url = place.database.url();
        let file = url.trim_start_matches("sqlite://");
        return fs::read(file.split('?').next().unwrap()).unwrap();
    }
    let mut contents = String::new();
    for (table, _) in place.counts().await {
        // `xmin` tells of a row that was written again as it was.
        let sql = format!(
            "SELECT coalesce(string_agg(xmin::text || t::text, ';' ORDER BY t::text), '') AS c FROM {table} t"
        );
        // A system column is the table's, not its partitions' parent's.
        let sql = sql.replace(
            "xmin::text || ",
            if table == "audit_entries" {
                ""
            } else {
                "t.xmin::text || "
            },
        );
        let rows = place.database.rows(&sql).await;
        contents += &rows[0].try_get::<String>("", "c").unwrap();
    }
    contents.into_bytes()
}

testkit::on_every_engine! {
    async fn the_same_file_twice_changes_nothing(engine: Engine) {
        const PEOPLE: u64 = 1_200;
        let place = Place::new(engine).await;
        let file = place.people("users", &people(1..=PEOPLE));
        let (first, second) = (place.path("first"), place.path("second"));
        let output = place.import(&file, &["--mapping", first.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        assert_eq!((told(&output, "imported: "), told(&output, "already there: ")), (PEOPLE, 0));
        place.assert_people(i64::try_from(PEOPLE).unwrap()).await;
        let before = contents(&place).await;

        let output = place.import(&file, &["--mapping", second.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        assert_eq!((told(&output, "imported: "), told(&output, "already there: ")), (0, PEOPLE));
        assert!(contents(&place).await == before, "something was written");

        let mapping = json_lines(&first);
        assert_eq!(mapping.len() as u64, PEOPLE);
        assert_eq!(mapping[6]["id"], "7");
        let account = mapping[6]["account_id"].as_str().unwrap();
        assert_eq!(account.as_bytes()[14], b'7', "UUIDv7: {account}");
        assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap(), "ids stay");
    }

    async fn a_killed_import_is_whole_batches_and_goes_on(engine: Engine) {
        const PEOPLE: u64 = 1_000;
        let place = Place::new(engine).await;
        let people = people(1..=PEOPLE);
        let mut child = place.import_from_pipe(&["--batch", "50"]);
        let mut pipe = child.stdin.take().unwrap();
        // The last batch never gets full, so the import cannot end.
        for person in &people[..people.len() - 10] {
            writeln!(pipe, "{person}").unwrap();
        }
        pipe.flush().unwrap();
        let begun = Instant::now();
        while place.database.count("accounts").await < 100 {
            assert!(begun.elapsed().as_secs() < 60, "nothing is imported");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let accounts = place.database.count("accounts").await;
        assert_eq!(accounts % 50, 0, "a batch is there whole or not at all");
        place.assert_people(accounts).await;

        let output = place.import(&place.people("users", &people), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        let already = told(&output, "already there: ");
        assert_eq!(already, u64::try_from(accounts).unwrap());
        assert_eq!(told(&output, "imported: "), PEOPLE - already);
        place.assert_people(i64::try_from(PEOPLE).unwrap()).await;
    }

    async fn whoever_changed_since_is_told_and_left_as_they_are(engine: Engine) {
        let place = Place::new(engine).await;
        place.import(&place.people("before", &people(1..=3)), &[]);
        let before = contents(&place).await;
        let seen_again = json!({"last_login": "2026-11-24T00:00:00Z"});
        let renamed = json!({"first_name": "Grace"});
        let after = [person_with(1, &seen_again), person_with(2, &renamed), person_with(3, &json!({}))];
        let report = place.path("report");
        let output = place.import(&place.people("after", &after), &["--report", report.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(told(&output, "already there: "), 2);
        let refused = json_lines(&report);
        assert_eq!(refused.len(), 1);
        assert_eq!((&refused[0]["line"], &refused[0]["id"], &refused[0]["code"]), (&json!(2), &json!("2"), &json!("changed_since")));
        assert!(contents(&place).await == before, "something was written");
    }

    /// The ids of a rehearsal belong to nobody: what the site joins through stays as it is.
    async fn a_dry_run_leaves_the_mapping_of_before_alone(engine: Engine) {
        let place = Place::new(engine).await;
        let mapping = place.path("mapping");
        let path = mapping.to_str().unwrap();
        place.import(&place.people("first", &people(1..=2)), &["--mapping", path]);
        let before = fs::read(&mapping).unwrap();
        assert_eq!(json_lines(&mapping).len(), 2);

        let second = place.people("second", &people(1..=3));
        let output = place.import(&second, &["--mapping", path, "--dry-run"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(complaint(&output).contains("--dry-run"), "{}", complaint(&output));
        assert_eq!(fs::read(&mapping).unwrap(), before);
        assert_eq!(told(&place.import(&second, &["--dry-run"]), "would be imported: "), 1);
        place.assert_people(2).await;
    }
}
