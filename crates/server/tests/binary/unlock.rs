//! `users unlock`, as operators use it. What it opens shows the contract of the store
//! (`forgetting_an_account_opens_everything_of_its_identifier`).

use crate::users_import::place::Place;

const FAILED: &str = "INSERT INTO sign_in_failures (subject, device_id, failures, since, in_a_row) \
     SELECT digest, account_id, 1, 0, 100 FROM identifier_index";

testkit::on_every_engine! {
    async fn operators_open_an_account_and_it_is_on_record(engine: Engine) {
        let place = Place::new(engine).await;
        let account = place.import_one();
        place.database.execute(FAILED).await;
        let (status, said, why) = place.users("unlock", &[&account, "--reason", "ticket 4711"]);
        assert_eq!((status, said.as_str()), (Some(0), "unlocked\n"), "{why}");
        assert_eq!(place.database.count("sign_in_failures").await, 0);
        let entries = "SELECT action FROM audit_entries WHERE action = 'account.unlocked' AND diff IS NOT NULL";
        assert_eq!(place.database.rows(entries).await.len(), 1);
    }

    async fn nobody_is_unlocked_without_a_reason(engine: Engine) {
        let place = Place::new(engine).await;
        let nobody = "01936f4e-8e5c-7b1a-9c1d-0c6a3a1f2b3c";
        let (status, said, why) = place.users("unlock", &[nobody, "--reason", "ticket 4711"]);
        assert_eq!((status, said.as_str()), (Some(1), ""));
        assert!(why.contains("there is no such account"), "{why}");
        for arguments in [&[][..], &[nobody], &["ada@example.com", "--reason", "ticket 4711"], &[nobody, "--reason", ""]] {
            assert_eq!(place.users("unlock", arguments).0, Some(2), "{arguments:?}");
        }
        assert_eq!(place.database.count("audit_entries").await, 0);
    }
}
