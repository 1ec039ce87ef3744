//! `keys reencrypt` on rows that it cannot change, or not yet.

use testkit::Engine;

use super::keys_with;
use crate::{
    process::complaint,
    users_import::place::{Place, person},
};

/// One account, whose data key is under a master key that is not current any more.
async fn with_a_changed_master_key(engine: Engine) -> (Place, Vec<(&'static str, String)>) {
    let place = Place::new(engine).await;
    let imported = place.import(&place.people("users", &[person(1)]), &[]);
    assert_eq!(imported.status.code(), Some(0), "{}", complaint(&imported));
    let settings = place.settings();
    for arguments in [
        &["rotate", "field_encryption"][..],
        &["rotate", "field_encryption", "--force"],
    ] {
        let rotated = keys_with(&settings, arguments);
        assert_eq!(rotated.status.code(), Some(0), "{}", complaint(&rotated));
    }
    (place, settings)
}

testkit::on_every_engine! {
    /// Nothing is wrong with the command line.
    async fn a_data_key_that_does_not_open_is_status_1(engine: Engine) {
        let (place, settings) = with_a_changed_master_key(engine).await;
        let broken = match engine {
            Engine::Embedded => "zeroblob(60)",
            Engine::Production => "decode(repeat('00', 60), 'hex')",
        };
        place.database.execute(&format!("UPDATE account_keys SET wrapped_key = {broken}")).await;
        let output = keys_with(&settings, &["reencrypt"]);
        assert_eq!(output.status.code(), Some(1));
        let text = complaint(&output);
        assert!(text.contains("1 rows cannot be changed"), "{text}");
    }
}

#[tokio::test]
async fn rows_that_others_hold_all_along_are_told_with_status_1() {
    let (place, settings) = with_a_changed_master_key(Engine::Production).await;
    let free = "SELECT account_id FROM account_keys FOR UPDATE SKIP LOCKED";
    let held =
        "BEGIN; SELECT account_id FROM account_keys FOR UPDATE; SELECT pg_sleep(120); COMMIT";
    let reencrypt = async {
        while !place.database.rows(free).await.is_empty() {}
        let command = tokio::task::spawn_blocking(move || keys_with(&settings, &["reencrypt"]));
        command.await.unwrap()
    };
    let output = tokio::select! {
        output = reencrypt => output,
        () = place.database.execute(held) => panic!("the rows are free"),
    };
    assert_eq!(output.status.code(), Some(1));
    let text = complaint(&output);
    assert!(text.contains("1 rows are held by somebody else"), "{text}");
}
