//! The commands that change keys, beside a service that runs.

mod reencrypt;

use std::{fs, path::Path, process::Output, sync::Barrier, thread};

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Service, complaint, result, run};

/// What every command here says about where it works.
fn settings(folder: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("DATA_DIR", folder.display().to_string()),
        ("KEYS__SETTLE_SECONDS", "2".to_owned()),
        ("KEYS__RELOAD_SECONDS", "1".to_owned()),
    ]
}

fn keys_with(settings: &[(&'static str, String)], arguments: &[&str]) -> Output {
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    run(&[&["keys"], arguments].concat(), &settings)
}

fn keys(folder: &Path, arguments: &[&str]) -> Output {
    keys_with(&settings(folder), arguments)
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", complaint(output));
    result(output)
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", result(output));
    assert_eq!(result(output), "");
    complaint(output)
}

fn start(folder: &Path) -> Service {
    let settings = settings(folder);
    let settings: Vec<_> = settings[1..]
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Service::start(folder, &settings)
}

/// Both steps, without the time between them.
#[track_caller]
fn rotate_at_once(folder: &Path, section: &str) {
    done(&keys(folder, &["rotate", section]));
    done(&keys(folder, &["rotate", section, "--force"]));
}

/// The ids of a section's keys in a state, as the document has them.
fn ids(document: &Value, section: &str, state: &str) -> Vec<String> {
    let keys = document[section].as_array().unwrap().iter();
    keys.filter(|key| key["state"] == state)
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

fn document(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("keys.json")).unwrap()).unwrap()
}

const IN_USE: &str = "the changed key ring is in use";

#[test]
fn a_key_is_rotated_step_by_step_beside_a_service_that_takes_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut service = start(folder);
    let listed = done(&keys(folder, &["list"]));
    assert_eq!(listed.matches(" current ").count(), 7, "{listed}");
    let old = ids(&document(folder), "signing", "current").remove(0);

    let told = done(&keys(folder, &["rotate", "signing"]));
    let next = ids(&document(folder), "signing", "next").remove(0);
    assert_eq!(told, format!("signing: {next} is next\n"));
    service.wait_for(IN_USE);

    let early = refused(&keys(folder, &["rotate", "signing"]));
    assert!(
        early.contains("has to fetch the key: wait another "),
        "{early}"
    );
    assert!(
        early.contains("with --force it is done all the same; then:"),
        "{early}"
    );
    let again = refused(&keys(folder, &["rotate", "signing", "--step", "next"]));
    assert!(again.contains("is next already"), "{again}");
    let forced = keys(folder, &["rotate", "signing", "--force"]);
    assert_eq!(
        done(&forced),
        format!("signing: {next} is current, {old} is previous\n")
    );
    assert!(
        complaint(&forced).contains("forced although"),
        "{}",
        complaint(&forced)
    );
    // Sooner than it would look by itself, or not: it takes it up.
    service.signal(Signal::HUP);
    service.wait_for(IN_USE);

    let early = refused(&keys(folder, &["retire", "signing", &old]));
    assert!(
        early.contains("access tokens under it still live"),
        "{early}"
    );
    let current = refused(&keys(folder, &["retire", "signing", &next, "--force"]));
    assert!(current.contains("is the current one"), "{current}");
    done(&keys(folder, &["retire", "signing", &old, "--force"]));
    service.wait_for(IN_USE);
    let listed = done(&keys(folder, &["list"]));
    assert!(listed.contains(" retired "), "{listed}");
    assert!(listed.contains("(EdDSA)"), "{listed}");
}

#[test]
fn a_master_key_is_changed_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let service = start(folder);
    let old = ids(&document(folder), "field_encryption", "current").remove(0);
    rotate_at_once(folder, "field_encryption");
    let told = done(&keys(folder, &["reencrypt"]));
    assert!(told.ends_with("nothing is left to do\n"), "{told}");
    let early = refused(&keys(folder, &["retire", "field_encryption", &old]));
    assert!(
        early.contains("nodes may hold data keys in their old wrapping"),
        "{early}"
    );
    done(&keys(
        folder,
        &["retire", "field_encryption", &old, "--force"],
    ));
    drop(service);
    // And the service starts again without the old key.
    drop(start(folder));
}

#[test]
fn a_key_that_something_depends_on_is_not_retired() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    drop(start(folder));
    let old = ids(&document(folder), "field_encryption", "current").remove(0);
    rotate_at_once(folder, "field_encryption");
    let needed = refused(&keys(folder, &["retire", "field_encryption", &old]));
    assert!(
        needed.contains("1 data keys of the service are wrapped by it"),
        "{needed}"
    );
    done(&keys(
        folder,
        &["retire", "field_encryption", &old, "--force"],
    ));
    // What was said would happen.
    let output = run(
        &["serve"],
        &[
            ("DATA_DIR", folder.to_str().unwrap()),
            ("HTTP__LISTEN", "127.0.0.1:0"),
            ("MANAGEMENT__LISTEN", "127.0.0.1:0"),
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    let text = complaint(&output);
    assert!(
        text.contains("does not open the database's service key"),
        "{text}"
    );
}

/// What is known of a leaked key does not wait for a database.
#[test]
fn a_database_that_is_away_keeps_no_key_from_being_forced_away() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    drop(start(folder));
    let signing = ids(&document(folder), "signing", "current").remove(0);
    let mut away = settings(folder);
    let nowhere = format!("sqlite://{}/nowhere/auth.sqlite", folder.display());
    away.push(("DATABASE__URL", nowhere));
    // Nothing has to be counted.
    for arguments in [
        &["rotate", "signing"][..],
        &["rotate", "signing", "--force"],
        &["retire", "signing", &signing, "--force"],
    ] {
        let output = keys_with(&away, arguments);
        done(&output);
        let told = complaint(&output);
        assert!(!told.contains("it is not known"), "{told}");
    }
    done(&keys_with(&away, &["rotate", "blind_index"]));
    let uncounted = "it is not known how many accounts have no index row under it: ";
    let told = refused(&keys_with(&away, &["rotate", "blind_index"]));
    assert!(told.contains(uncounted), "{told}");
    let forced = keys_with(&away, &["rotate", "blind_index", "--force"]);
    done(&forced);
    assert!(
        complaint(&forced).contains(uncounted),
        "{}",
        complaint(&forced)
    );
    let listed = done(&keys_with(&away, &["list"]));
    assert!(listed.contains("it is not known how many"), "{listed}");
}

#[test]
fn a_ring_in_a_variable_goes_to_standard_output_changed() {
    let folder = tempfile::tempdir().unwrap();
    let ring = result(&run(&["keys", "generate"], &[]));
    let mut settings = settings(folder.path());
    settings.push(("KEYS__JSON", ring.clone()));
    let output = keys_with(&settings, &["rotate", "codes"]);
    let changed: Value = serde_json::from_str(&done(&output)).unwrap();
    let next = ids(&changed, "codes", "next").remove(0);
    assert!(complaint(&output).contains(&format!("codes: {next} is next")));
    let before: Value = serde_json::from_str(&ring).unwrap();
    assert_eq!(changed["signing"][0]["key"], before["signing"][0]["key"]);
    let output = keys_with(&settings, &["rotate", "signing", "--algorithm", "ES256"]);
    let changed: Value = serde_json::from_str(&done(&output)).unwrap();
    assert_eq!(changed["signing"][1]["algorithm"], "ES256");
}

#[test]
fn a_ring_in_a_variable_beside_one_in_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ring.json");
    let ring = result(&run(&["keys", "generate"], &[]));
    fs::write(&file, &ring).unwrap();
    let mut settings = settings(folder.path());
    settings.push(("KEYS__JSON", ring.clone()));
    settings.push(("KEYS__FILE", file.display().to_string()));
    let output = keys_with(&settings, &["rotate", "codes"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(result(&output), "");
    let text = complaint(&output);
    assert!(
        text.contains(
            "keys.json (variable FASHIONISTAR_AUTH__KEYS__JSON): must not be set together"
        ),
        "{text}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), ring);
}

#[test]
fn of_commands_at_one_moment_one_takes_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    drop(start(folder));
    let start = Barrier::new(6);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let rivals: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    keys(folder, &["rotate", "codes", "--step", "next"])
                })
            })
            .collect();
        rivals
            .into_iter()
            .map(|rival| rival.join().unwrap())
            .collect()
    });
    let taken: Vec<_> = outcomes.iter().filter(|it| it.status.success()).collect();
    assert_eq!(taken.len(), 1);
    let next = ids(&document(folder), "codes", "next");
    assert_eq!(done(taken[0]), format!("codes: {} is next\n", next[0]));
    for loser in outcomes.iter().filter(|it| !it.status.success()) {
        refused(loser);
    }
}

#[test]
fn what_is_no_step_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    drop(start(folder));
    let unknown = keys(folder, &["rotate", "passwords"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        complaint(&unknown).contains("field_encryption"),
        "{}",
        complaint(&unknown)
    );
    for (arguments, reason) in [
        (
            &["rotate", "codes", "--step", "promote"][..],
            "there is no next key",
        ),
        (&["retire", "codes", "none"], "no live key of this id"),
        (
            &["rotate", "codes", "--algorithm", "ES256"],
            "no choice of algorithm",
        ),
    ] {
        let text = refused(&keys(folder, arguments));
        assert!(text.contains(reason), "{text}");
    }
    fs::write(folder.join("keys.json"), "{").unwrap();
    let text = refused(&keys(folder, &["list"]));
    assert!(text.contains("no well-formed document"), "{text}");
}
