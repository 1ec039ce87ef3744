//! Several imports of one file, and what is only tried.

use serde_json::json;

use super::place::{Place, people, person_with, told};
use crate::process::complaint;

testkit::on_every_engine! {
    async fn imports_at_once_make_one_account_of_each(engine: Engine) {
        const PEOPLE: u64 = 600;
        let place = Place::new(engine).await;
        let file = place.people("users", &people(1..=PEOPLE));
        // The keys are made once.
        place.import(&place.people("first", &[]), &[]);
        let running: Vec<_> = (0..3)
            .map(|_| {
                let mut command = place.import_command(&file, &["--batch", "40"]);
                std::thread::spawn(move || command.output().unwrap())
            })
            .collect();
        let outputs: Vec<_> = running.into_iter().map(|it| it.join().unwrap()).collect();
        for output in &outputs {
            assert_eq!(output.status.code(), Some(0), "{}", complaint(output));
        }
        let total = |line| outputs.iter().map(|output| told(output, line)).sum::<u64>();
        assert_eq!((total("imported: "), total("already there: ")), (PEOPLE, 2 * PEOPLE));
        place.assert_people(i64::try_from(PEOPLE).unwrap()).await;
    }

    async fn a_dry_run_tells_and_changes_nothing(engine: Engine) {
        let place = Place::new(engine).await;
        let people = [
            person_with(1, &json!({})),
            person_with(2, &json!({"email": "person-1@example.com"})),
            person_with(3, &json!({"is_verified": false})),
        ];
        let file = place.people("users", &people);
        let output = place.import(&file, &["--dry-run"]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(told(&output, "would be imported: "), 1);
        assert_eq!(told(&output, "  identifier_taken: "), 1);
        assert_eq!(told(&output, "  not_verified: "), 1);
        place.assert_people(0).await;
        let output = place.import(&file, &["--no-events"]);
        assert_eq!(told(&output, "imported: "), 1);
        assert_eq!(place.database.count("accounts").await, 1);
        assert_eq!(place.database.count("audit_entries").await, 1);
        assert_eq!(place.database.count("outbox_events").await, 0);
    }
}
