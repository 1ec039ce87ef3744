//! The files in `deploy/` and what they say of the service: every setting is one, every metric is one, and every
//! runbook is there. What the runbooks say is run by `deploy/runbooks.sh`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::process::{complaint, result, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What `deploy/check.py` read out of the files.
fn checked() -> Value {
    let output = Command::new(testkit::servers::python())
        .arg(root().join("deploy/check.py"))
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "{}", complaint(&output));
    serde_json::from_str(&result(&output)).unwrap()
}

/// The names of all settings, as variables without the prefix.
fn settings() -> BTreeSet<String> {
    let output = run(&["config", "print", "--json"], &[]);
    let settings: Vec<Value> = serde_json::from_str(&result(&output)).unwrap();
    let names = settings.iter().map(|it| it["setting"].as_str().unwrap());
    names
        .map(|name| name.replace('.', "__").to_uppercase())
        .collect()
}

fn assert_is_setting(variable: &str, settings: &BTreeSet<String>, place: &str) {
    let name = variable.strip_prefix("FASHIONISTAR_AUTH__").expect(place);
    let secret = name.strip_suffix("_FILE").unwrap_or(name);
    let is_known = settings.contains(name) || settings.contains(secret) || name == "CONFIG";
    assert!(is_known, "{place}: {variable}");
}

/// Lines `NAME=value`, those that are commented out too.
fn example() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("deploy/env.example")).unwrap();
    text.lines()
        .map(|line| line.trim_start_matches('#'))
        .filter(|line| line.starts_with("FASHIONISTAR_AUTH__"))
        .map(|line| line.split_once('=').expect("a value"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn every_variable_that_is_deployed_is_a_setting() {
    let (settings, checked) = (settings(), checked());
    for place in ["compose", "kubernetes", "dockerfile"] {
        let variables = checked[place].as_object().unwrap();
        assert!(variables.len() >= 3, "{place}");
        for variable in variables.keys() {
            assert_is_setting(variable, &settings, place);
        }
    }
    for variable in example().keys() {
        assert_is_setting(variable, &settings, "env.example");
    }
    let unit = fs::read_to_string(root().join("deploy/fashionistar-auth.service")).unwrap();
    for word in unit.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_')) {
        if word.starts_with("FASHIONISTAR_AUTH__") {
            assert_is_setting(word, &settings, "the unit");
        }
    }
}

/// A release without its bill of materials is not one.
#[test]
fn the_image_and_ci_make_the_bill_of_materials() {
    let dockerfile = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    assert!(dockerfile.contains("python3 deploy/sbom.py >/out/fashionistar-auth.cdx.json"));
    assert!(dockerfile.contains("COPY --from=build /out/fashionistar-auth.cdx.json "));
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(ci.contains("python3 deploy/sbom.py >"));
}

/// The example of a production node, every line of it in effect and the secrets in files that are there.
#[test]
fn the_example_starts_in_production_mode() {
    let folder = tempfile::tempdir().unwrap();
    let (mut pairs, example) = (Vec::new(), example());
    for (name, value) in &example {
        let name = name.strip_prefix("FASHIONISTAR_AUTH__").unwrap().to_owned();
        // `keys.file` is a setting itself.
        let secret = name
            .strip_suffix("_FILE")
            .filter(|name| !name.ends_with('_'));
        let Some(secret) = secret.map(ToOwned::to_owned) else {
            pairs.push((name, value.clone()));
            continue;
        };
        let file = folder.path().join(&secret);
        let text = match secret.as_str() {
            "DATABASE__URL" => "postgres://auth:only-of-this-test@db/auth",
            "REDIS__URL" => "redis://:only-of-this-test@redis",
            "MESSAGES__SMTP__PASSWORD" => "only-of-this-test",
            "TELEMETRY__SENTRY_DSN" => "https://key@sentry.example.com/1",
            other => panic!("what is in the file of {other}?"),
        };
        fs::write(&file, text).unwrap();
        let private = Permissions::from_mode(0o400);
        fs::set_permissions(&file, private).unwrap();
        pairs.push((name, file.to_str().unwrap().to_owned()));
    }
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let output = run(&["config", "print"], &pairs);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
}

/// The secrets of `deploy/compose.yaml`, by name.
fn make_secrets(folder: &Path) -> BTreeMap<String, String> {
    let output = Command::new("bash")
        .arg(root().join("deploy/make-secrets.sh"))
        .arg(env!("CARGO_BIN_EXE_fashionistar-auth"))
        .env("SECRETS_DIR", folder)
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{}", complaint(&output));
    let names = [
        "postgres_password",
        "owner_password",
        "owner_url",
        "service_password",
        "database_url",
        "redis.conf",
        "redis_url",
        "ring/keys.json",
    ];
    let read = |name: &str| {
        let path = folder.join(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400, "{name}");
        (name.to_owned(), fs::read_to_string(path).unwrap())
    };
    names.into_iter().map(read).collect()
}

#[test]
fn secrets_that_are_there_stay_and_one_that_is_lost_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let made = make_secrets(folder.path());
    let password = &made["service_password"];
    assert_eq!(password.len(), 64);
    let url = format!("postgres://auth:{password}@postgres/auth");
    assert_eq!(made["database_url"], url);
    assert_ne!(password, &made["owner_password"]);
    for (name, before) in &made {
        fs::remove_file(folder.path().join(name)).unwrap();
        let again = make_secrets(folder.path());
        for (other, text) in &made {
            // Nobody else knows these; the volume of PostgreSQL keeps the first.
            let is_new =
                name == other && ["postgres_password", "ring/keys.json"].contains(&&**name);
            assert_eq!(again[other] == *text, !is_new, "without {name}: {other}");
        }
        fs::remove_file(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name), before).unwrap();
        let private = Permissions::from_mode(0o400);
        fs::set_permissions(folder.path().join(name), private).unwrap();
    }
}

#[test]
fn alerts_ask_for_metrics_and_runbooks_that_there_are() {
    let checked = checked();
    let documented = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let metrics = checked["metrics"].as_array().unwrap();
    assert!(metrics.len() > 10, "{metrics:?}");
    for metric in metrics {
        let metric = metric.as_str().unwrap();
        let family = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|part| metric.strip_suffix(part))
            .unwrap_or(metric);
        assert!(documented.contains(&format!("| `{family}` |")), "{metric}");
    }
    for runbook in checked["runbooks"].as_array().unwrap() {
        let (path, heading) = runbook
            .as_str()
            .unwrap()
            .split_once('#')
            .unwrap_or((runbook.as_str().unwrap(), ""));
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|_| panic!("{path}"));
        let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
        let found = headings
            .map(|it| it.to_lowercase().replace(' ', "-"))
            .any(|it| it == heading);
        assert!(heading.is_empty() || found, "{runbook}");
    }
}

#[test]
fn every_runbook_is_in_the_index() {
    let folder = root().join("docs/runbooks");
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_listed = name == "README.md" || index.contains(&format!("]({name})"));
        assert!(is_listed, "{name}");
    }
}
