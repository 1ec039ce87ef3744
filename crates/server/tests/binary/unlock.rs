//! `users unlock`, as operators use it. What it opens shows the contract of the store
//! (`forgetting_an_account_opens_everything_of_its_identifier`).

use std::fs;

use crate::{
    process::{complaint, result, run},
    users_import::place::{Place, person},
};

impl Place {
    fn unlock(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let settings = self.settings();
        let settings: Vec<(&str, &str)> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let arguments = [&["users", "unlock"], arguments].concat();
        let output = run(&arguments, &settings);
        (output.status.code(), result(&output), complaint(&output))
    }
}

const FAILED: &str = "INSERT INTO sign_in_failures (subject, device_id, failures, since, in_a_row) \
     SELECT digest, account_id, 1, 0, 100 FROM identifier_index";

testkit::on_every_engine! {
    async fn operators_open_an_account_and_it_is_on_record(engine: Engine) {
        let place = Place::new(engine).await;
        let file = place.people("users", &[person(1)]);
        let mapping = place.path("mapping");
        let imported = place.import(&file, &["--mapping", mapping.to_str().unwrap()]);
        assert_eq!(imported.status.code(), Some(0), "{}", complaint(&imported));
        let mapping: serde_json::Value = serde_json::from_str(&fs::read_to_string(mapping).unwrap()).unwrap();
        let account = mapping["account_id"].as_str().unwrap();
        place.database.execute(FAILED).await;
        let (status, said, why) = place.unlock(&[account, "--reason", "ticket 4711"]);
        assert_eq!((status, said.as_str()), (Some(0), "unlocked\n"), "{why}");
        assert_eq!(place.database.count("sign_in_failures").await, 0);
        let entries = "SELECT action FROM audit_entries WHERE action = 'account.unlocked' AND diff IS NOT NULL";
        assert_eq!(place.database.rows(entries).await.len(), 1);
    }

    async fn nobody_is_unlocked_without_a_reason(engine: Engine) {
        let place = Place::new(engine).await;
        let nobody = "01936f4e-8e5c-7b1a-9c1d-0c6a3a1f2b3c";
        let (status, said, why) = place.unlock(&[nobody, "--reason", "ticket 4711"]);
        assert_eq!((status, said.as_str()), (Some(1), ""));
        assert!(why.contains("there is no such account"), "{why}");
        for arguments in [&[][..], &[nobody], &["ada@example.com", "--reason", "ticket 4711"], &[nobody, "--reason", ""]] {
            assert_eq!(place.unlock(arguments).0, Some(2), "{arguments:?}");
        }
        assert_eq!(place.database.count("audit_entries").await, 0);
    }
}
