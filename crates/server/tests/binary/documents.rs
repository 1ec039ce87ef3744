//! What the documents name is there: `deploy/check_docs.py` says so, and notices what is not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::process::{complaint, result};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// `deploy/check_docs.py`, with another folder in the place of `docs/`, if there is one.
fn check(instead: Option<&Path>) -> Output {
    Command::new(testkit::servers::python())
        .arg(docs().join("../deploy/check_docs.py"))
        .args(instead)
        .output()
        .expect("Python runs")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &there);
        } else {
            fs::copy(entry.path(), there).unwrap();
        }
    }
}

#[test]
fn every_test_route_file_and_setting_that_documents_name_is_there() {
    let output = check(None);
    assert!(output.status.success(), "{}", complaint(&output));
    let counts: serde_json::Value = serde_json::from_str(&result(&output)).unwrap();
    for (what, least) in [
        ("tests", 400),
        ("routes", 50),
        ("files", 150),
        ("settings", 200),
        ("links", 150),
        ("headings", 400),
        ("commands", 120),
        ("metrics", 40),
    ] {
        assert!(counts[what].as_u64().unwrap() >= least, "{what}: {counts}");
    }
    // Every requirement of ASVS 5.0 has a row.
    let rows = counts.as_object().unwrap().iter();
    let rows = rows.filter(|(what, _)| what.starts_with("requirements: "));
    let sum: u64 = rows.map(|(_, count)| count.as_u64().unwrap()).sum();
    assert_eq!(sum, 345);
}

#[test]
fn what_is_not_there_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    copy(&docs(), folder.path());
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let page = "\
# Page

`POST /auth/nowhere`, `DELETE /me`, `nowhere/missing.rs`, `docs/nowhere.md`, `http.listn` and `an_invented_LONG_name`.
FASHIONISTAR_AUTH__HTTP__LISTN, [a page](nowhere.md), [a heading](testing.md#nowhere).

| threat | control | test |
|---|---|---|
| a | b | api: `no_such_test_at_all`; unit: `a_password_signs_in`; nowhere: `a_password_signs_in` |
| a | b | api: `t99_…`, `nowhere::a_module` |
| a | b |
## Glued

`keys turn`, `keys rotate --hard`, `just nothing`, `audit verify`, `auth_sign_ins_total{colour=\"red\"}`, `auth_none_total`.

```sh
fashionistar-auth users invite
sudo deploy/nowhere.sh
docker compose run --rm keys keys turn
```
";
    // In one word it would be somewhere: here.
    write("page.md", &page.replace("LONG", "long"));
    let rows = fs::read_to_string(folder.path().join("security-controls/v1.md")).unwrap();
    let line = |id: &str| {
        let begins = format!("| {id} | ");
        rows.lines().find(|it| it.starts_with(&begins)).unwrap()
    };
    let rows = rows
        .replace(&format!("{}\n", line("V1.1.1")), "")
        .replace(line("V1.2.1"), "| V1.2.1 | 3 | something | somewhere | – |")
        .replace(line("V1.2.2"), &format!("{0}\n{0}", line("V1.2.2")))
        .replace(line("V1.2.3"), "| V1.2.3 | 1 |  | somewhere | – |");
    write("security-controls/v1.md", &rows);
    let deployment = fs::read_to_string(folder.path().join("deployment.md")).unwrap();
    write(
        "deployment.md",
        &deployment.replace("### Memory", "### Room"),
    );
    let output = check(Some(folder.path()));
    assert_eq!(output.status.code(), Some(1));
    let text = complaint(&output);
    for expected in [
        "page.md:3: no such route: POST /auth/nowhere",
        "page.md:3: no such route: DELETE /me",
        "page.md:3: no such file: nowhere/missing.rs",
        "page.md:3: no such file: docs/nowhere.md",
        "page.md:3: no such setting: http.listn",
        "page.md:3: nothing is called an_invented_",
        "page.md:4: no such setting: http.listn",
        "page.md:4: leads nowhere: nowhere.md",
        "page.md:4: no such heading: testing.md#nowhere",
        "page.md:8: no such test: no_such_test_at_all in crates/server/tests/api",
        "page.md:8: no such test: a_password_signs_in in /src/ (there is one in crates/server/tests/api/",
        "page.md:8: no suite of tests is called nowhere",
        "page.md:9: no such test: t99_…",
        "page.md:9: no such test: nowhere::a_module",
        "page.md:10: 2 columns in a table of 3",
        "page.md:11: no empty line before and after the heading: ## Glued",
        "page.md:13: no such command: keys turn",
        "page.md:13: no such option: --hard",
        "page.md:13: no such recipe: just nothing",
        "page.md:13: no command and no text of ours: audit verify",
        "page.md:13: auth_sign_ins_total has no label colour",
        "page.md:13: no such metric: auth_none_total",
        "page.md:16: no such command: users invite",
        "page.md:17: no such file: deploy/nowhere.sh",
        "page.md:18: no such command: keys turn",
        "no row for V1.1.1",
        "the standard has no V1.2.1 of level 3",
        "V1.2.1 names no test",
        "V1.2.2 has two rows",
        "a row has five columns",
        // Of the changelog, beside `docs/`.
        "no such heading: docs/deployment.md#memory",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
