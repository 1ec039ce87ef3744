//! `messages`: what operators do about messages that could not be sent. What becomes of them shows
//! `tests/api/messages/parked.rs`.

use tempfile::TempDir;
use uuid::Uuid;

use crate::process::{complaint, result, run};

/// The settings of an embedded service in a folder of its own.
fn embedded(folder: &TempDir) -> [(&'static str, String); 1] {
    [("DATA_DIR", folder.path().display().to_string())]
}

fn command(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let settings = embedded(folder);
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let output = run(arguments, &settings);
    (output.status.code(), result(&output), complaint(&output))
}

#[test]
fn a_message_that_is_not_parked_is_told() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(command(&folder, &["migrate", "up"]).0, Some(0));
    let (status, said, _) = command(&folder, &["messages", "parked"]);
    assert_eq!((status, said.as_str()), (Some(0), "no message is parked\n"));
    let (status, said, _) = command(&folder, &["messages", "resend", "--all"]);
    assert_eq!(
        (status, said.as_str()),
        (Some(0), "0 messages are due again\n")
    );
    let id = Uuid::from_u128(7).to_string();
    for act in ["resend", "delete"] {
        let (status, said, why) = command(&folder, &["messages", act, &id]);
        assert_eq!((status, said.as_str()), (Some(1), ""));
        assert!(
            why.contains(&format!("no such message is parked: {id}")),
            "{why}"
        );
    }
}

#[test]
fn which_messages_has_to_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let id = Uuid::from_u128(7).to_string();
    for arguments in [
        &["messages"][..],
        &["messages", "resend"],
        &["messages", "resend", "--all", &id],
        &["messages", "resend", "seven"],
        &["messages", "delete"],
    ] {
        assert_eq!(command(&folder, arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_database_without_the_tables_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (status, _, why) = command(&folder, &["messages", "parked"]);
    assert_eq!(status, Some(1));
    assert!(why.contains("run fashionistar-auth migrate up"), "{why}");
}
