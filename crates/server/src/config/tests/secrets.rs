//! Secrets: in separate files, and never shown.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A file with this text and mode, in a folder that is removed when the handle is dropped.
fn secret_file(text: &[u8], mode: u32) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn debug_shows_no_secret() {
    let mut pairs = PRODUCTION.to_vec();
    pairs.push((
        "DATABASE__REPLICA_URLS",
        "postgres://auth:canary-of-a-store@replica/auth",
    ));
    assert!(!format!("{:?}", settings(&pairs)).contains("canary"));
    let keys = settings(&[("KEYS__JSON", "{\"canary\": 1}")]);
    assert!(!format!("{keys:?}").contains("canary"));
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let (_folder, path) = secret_file(b"redis://:canary-of-a-store@redis.example/0\r\n", 0o644);
    let read = settings(&[("REDIS__URL_FILE", &path)]);
    let url = read.redis.url.as_ref().unwrap();
    assert_eq!(
        url.expose_secret(),
        "redis://:canary-of-a-store@redis.example/0"
    );
    let (_, from_toml) = from_file(&format!("[redis]\nurl_file = '{path}'\n"), &[]);
    assert!(from_toml.unwrap().redis.url.is_some());
    let (_folder, path) = secret_file(b"postgres://a/x\npostgres://b/x\n", 0o600);
    let replicas = settings(&[("DATABASE__REPLICA_URLS_FILE", &path)]);
    assert_eq!(replicas.database.replica_urls.len(), 2, "a line each");
    assert!(!format!("{read:?}").contains("canary"));
}

#[test]
fn a_file_that_cannot_be_meant_is_refused_with_its_place() {
    let (_a, empty) = secret_file(b"\n", 0o600);
    let (_b, binary) = secret_file(b"redis://\xff", 0o600);
    let (_c, huge) = secret_file(&vec![b'x'; 70_000], 0o600);
    for (path, reason) in [
        (empty.as_str(), "is empty"),
        (&binary, "is not UTF-8"),
        (&huge, "is larger than any secret"),
        ("/nowhere/secret", "cannot be read"),
        ("/", "is no file"),
    ] {
        let found = mistakes(&[("REDIS__URL_FILE", path)]);
        let place = "redis.url_file (variable FASHIONISTAR_AUTH__REDIS__URL_FILE): ";
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(place) && found[0].contains(reason),
            "{found:?}"
        );
    }
    let (_d, wrong) = secret_file(b"http://:canary-of-a-store@redis", 0o600);
    let found = mistakes(&[("REDIS__URL_FILE", &wrong)]);
    let place =
        format!("redis.url (file {wrong}, variable FASHIONISTAR_AUTH__REDIS__URL_FILE): must be");
    assert!(
        found.len() == 1 && found[0].starts_with(&place),
        "{found:?}"
    );
    assert!(!found[0].contains("canary"), "{found:?}");
}

#[test]
fn a_secret_is_given_once() {
    let (_folder, path) = secret_file(b"redis://redis", 0o600);
    let found = mistakes(&[("REDIS__URL", "redis://other"), ("REDIS__URL_FILE", &path)]);
    let expected = "redis.url_file (variable FASHIONISTAR_AUTH__REDIS__URL_FILE): must not be set together with redis.url";
    assert_eq!(found, [expected]);
    // Also across the file and the environment: there is no precedence to remember.
    let (_, read) = from_file(
        "[redis]\nurl = 'redis://other'\n",
        &[("REDIS__URL_FILE", &path)],
    );
    assert!(read.unwrap_err().to_string().contains(expected));
}

#[test]
fn production_mode_refuses_a_secret_that_everybody_can_read() {
    let (_folder, path) = secret_file(b"rediss://:kT8vQ2mXz7Lw@redis.example", 0o644);
    let mut pairs: Vec<(&str, &str)> = PRODUCTION.to_vec();
    pairs.retain(|(name, _)| *name != "REDIS__URL");
    pairs.push(("REDIS__URL_FILE", &path));
    let found = mistakes(&pairs);
    assert!(
        found.len() == 1 && found[0].contains("can be read by everybody"),
        "{found:?}"
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
    assert!(settings(&pairs).redis.url.is_some());
}

#[test]
fn only_secrets_have_a_file() {
    let found = mistakes(&[("HTTP__LISTEN_FILE", "/etc/hostname")]);
    assert!(found[0].contains("there is no such setting"), "{found:?}");
}
