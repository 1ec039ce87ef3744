//! The roles of `deploy/roles.sql`: one that owns the tables, one that nodes sign in as, and one that makes backups.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use testkit::{Engine, TestDatabase};
use url::Url;

use crate::{
    process::{Service, complaint, post, result, run},
    users_import::place::{PASSWORD, person},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const OF_OWNER: &str = "of the owner's own";
const OF_NODES: &str = "of the nodes' own";
const OF_BACKUPS: &str = "of the backups' own";

/// `psql`, wherever the servers of the tests have theirs, with these passwords for the script.
fn psql(url: &str, passwords: [&str; 2], arguments: &[&str]) -> Output {
    let find = "source deploy/lib.sh && exec \"$(postgres_bin_dir)/psql\" --no-psqlrc \"$@\"";
    Command::new("bash")
        .args(["-c", find, "bash", url])
        .args(arguments)
        .env("OWNER_PASSWORD", passwords[0])
        .env("SERVICE_PASSWORD", passwords[1])
        .env("BACKUP_PASSWORD", OF_BACKUPS)
        .current_dir(root())
        .output()
        .expect("psql runs")
}

/// A database with three roles of its own, which everybody on the server can see.
struct Roles {
    database: TestDatabase,
    owner: String,
    service: String,
    backup: String,
}

impl Roles {
    async fn make() -> Self {
        let database = TestDatabase::empty(Engine::Production).await;
        let name = Url::parse(database.url()).unwrap().path()[1..].to_owned();
        let roles = Self {
            database,
            owner: format!("{name}_owner"),
            service: format!("{name}_service"),
            backup: format!("{name}_backup"),
        };
        let script = roles.run_script([OF_OWNER, OF_NODES]);
        assert!(script.status.success(), "{}", complaint(&script));
        roles
    }

    fn run_script(&self, passwords: [&str; 2]) -> Output {
        let owner = format!("--set=owner={}", self.owner);
        let service = format!("--set=service={}", self.service);
        let backup = format!("--set=backup={}", self.backup);
        let arguments = [&owner, &service, &backup, "--file=deploy/roles.sql"];
        psql(self.database.url(), passwords, &arguments)
    }

    fn url_of(&self, role: &str, password: &str) -> String {
        let mut url = Url::parse(self.database.url()).unwrap();
        url.set_username(role).unwrap();
        url.set_password(Some(password)).unwrap();
        url.into()
    }

    fn owner_url(&self) -> String {
        self.url_of(&self.owner, OF_OWNER)
    }

    fn service_url(&self) -> String {
        self.url_of(&self.service, OF_NODES)
    }

    fn migrate(&self, arguments: &[&str]) -> Output {
        let url = self.owner_url();
        let settings = [("DATABASE__URL", url.as_str()), ("TELEMETRY__LOG", "off")];
        run(&[&["migrate", "up"], arguments].concat(), &settings)
    }

    async fn drop(self) {
        let Self {
            database,
            owner,
            service,
            backup,
        } = self;
        drop(database);
        let other = TestDatabase::empty(Engine::Production).await;
        other
            .execute(&format!("DROP ROLE {owner}, {service}, {backup}"))
            .await;
    }
}

/// What `doctor` finds of the database in production mode.
fn examined(roles: &Roles, keys: &str) -> serde_json::Value {
    let url = roles.service_url();
    let settings = [
        ("MODE", "production"),
        ("DATABASE__URL", url.as_str()),
        ("HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("KEYS__JSON", keys),
        ("MESSAGES__SENDER", "none"),
    ];
    let output = run(&["doctor", "--json"], &settings);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&result(&output)).unwrap();
    let is_it = |finding: &serde_json::Value| finding["check"] == "database";
    findings.into_iter().find(is_it).unwrap()
}

#[tokio::test]
async fn nodes_serve_by_a_role_that_can_change_neither_schema_nor_trail() {
    let roles = Roles::make().await;
    let migrated = roles.migrate(&["--grant-to", &roles.service]);
    assert_eq!(migrated.status.code(), Some(0), "{}", complaint(&migrated));
    let granted = format!("granted to {}\n", roles.service);
    assert!(result(&migrated).ends_with(&granted));

    // Somebody is made and signs in, with all that is written for it.
    let folder = tempfile::tempdir().unwrap();
    let (data, users) = (folder.path().join("data"), folder.path().join("users"));
    fs::write(&users, person(1).to_string()).unwrap();
    let url = roles.service_url();
    let settings = [("DATABASE__URL", url.as_str())];
    let of_folder = [settings[0], ("DATA_DIR", data.to_str().unwrap())];
    let imported = run(&["users", "import", users.to_str().unwrap()], &of_folder);
    assert_eq!(imported.status.code(), Some(0), "{}", complaint(&imported));
    let service = Service::start(&data, &settings);
    let body = format!(r#"{{"identifier":"person-1@example.com","password":"{PASSWORD}"}}"#);
    let answer = post(service.public, "/api/v1/auth/login", &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(service);
    assert!(roles.database.count("audit_entries").await >= 2);

    for statement in [
        "UPDATE audit_entries SET action = 'x'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "DELETE FROM audit_entries_default",
        "INSERT INTO audit_entries_default SELECT * FROM audit_entries",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "DELETE FROM seaql_migrations",
    ] {
        let output = psql(&url, ["", ""], &["--command", statement]);
        assert!(!output.status.success(), "{statement}");
        let text = complaint(&output);
        let is_denied = text.contains("permission denied") || text.contains("must be owner");
        assert!(is_denied, "{statement}: {text}");
    }
    roles.drop().await;
}

#[tokio::test]
async fn a_role_without_rights_is_told_to_have_them_granted() {
    let roles = Roles::make().await;
    let keys = result(&run(&["keys", "generate"], &[]));
    let assert_denied = |seen: &str| {
        let denied = examined(&roles, &keys);
        assert_eq!(denied["health"], "fail", "{denied}");
        assert!(denied["seen"].as_str().unwrap().contains(seen), "{denied}");
        let advice = "run migrate up --grant-to ROLE as the owner of the tables";
        assert_eq!(denied["advice"], advice);
    };
    assert_denied("our role may use no schema of it");
    let usage = format!("GRANT USAGE ON SCHEMA public TO {}", roles.service);
    roles.database.execute(&usage).await;
    // Without tables there is no trail, whose partitions could end.
    let empty = examined(&roles, &keys);
    assert_eq!(empty["health"], "ok", "{empty}");
    assert_eq!(roles.migrate(&[]).status.code(), Some(0));
    assert_denied("our role lacks rights on ");
    let granted = roles.migrate(&["--grant-to", &roles.service]);
    assert_eq!(granted.status.code(), Some(0), "{}", complaint(&granted));
    assert_eq!(examined(&roles, &keys)["health"], "ok");
    roles.drop().await;
}

#[tokio::test]
async fn partitions_that_are_missing_stop_no_node_and_are_told() {
    let roles = Roles::make().await;
    let granted = roles.migrate(&["--grant-to", &roles.service]);
    assert_eq!(granted.status.code(), Some(0), "{}", complaint(&granted));
    let keys = result(&run(&["keys", "generate"], &[]));
    let well = examined(&roles, &keys);
    assert_eq!(well["health"], "ok", "{well}");

    let partitions = roles.database.rows(
        "SELECT relname::text AS name FROM pg_class WHERE relname LIKE 'audit_entries_y%' AND relkind = 'r'",
    );
    let names = partitions.await;
    assert_eq!(names.len(), 25);
    for name in names {
        let name: String = name.try_get("", "name").unwrap();
        roles.database.execute(&format!("DROP TABLE {name}")).await;
    }
    let few = examined(&roles, &keys);
    assert_eq!(few["health"], "warn", "{few}");
    let folder = tempfile::tempdir().unwrap();
    drop(Service::start(
        folder.path(),
        &[("DATABASE__URL", &roles.service_url())],
    ));
    // The owner makes them anew.
    assert_eq!(roles.migrate(&[]).status.code(), Some(0));
    assert_eq!(examined(&roles, &keys)["health"], "ok");
    roles.drop().await;
}

#[tokio::test]
async fn nothing_is_granted_to_nobody_or_to_the_owner() {
    let roles = Roles::make().await;
    for (role, reason) in [
        (
            "nobody_of_that_name",
            "there is no role nobody_of_that_name",
        ),
        (roles.owner.as_str(), "owns the tables"),
    ] {
        let output = roles.migrate(&["--grant-to", role]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            complaint(&output).contains(reason),
            "{}",
            complaint(&output)
        );
    }
    roles.drop().await;
}

#[tokio::test]
async fn whoever_does_not_own_the_tables_is_told_who_migrates() {
    let roles = Roles::make().await;
    let folder = tempfile::tempdir().unwrap();
    let url = roles.service_url();
    let keys = result(&run(&["keys", "generate"], &[]));
    let settings = [
        ("MODE", "production"),
        ("DATABASE__URL", url.as_str()),
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("HTTP__LISTEN", "127.0.0.1:0"),
        ("MANAGEMENT__LISTEN", "127.0.0.1:0"),
        ("KEYS__JSON", keys.as_str()),
        ("MESSAGES__SENDER", "none"),
    ];
    let refused = |arguments: &[&str]| {
        let output = run(arguments, &settings);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        complaint(&output)
    };
    let sees = format!("GRANT USAGE ON SCHEMA public TO {}", roles.service);
    let sees_not = format!("REVOKE USAGE ON SCHEMA public FROM {}", roles.service);
    for statement in [&sees_not, &sees] {
        roles.database.execute(statement).await;
        let why = refused(&["migrate", "up"]);
        assert!(why.contains("as the owner of the tables"), "{why}");
    }
    // The owner did it, and granted nothing.
    assert_eq!(roles.migrate(&[]).status.code(), Some(0));
    for statement in [&sees, &sees_not] {
        roles.database.execute(statement).await;
        let why = refused(&["serve"]);
        assert!(
            why.contains("migrate up") && why.contains("--grant-to ROLE"),
            "{why}"
        );
    }
    roles.drop().await;
}

#[tokio::test]
async fn backups_are_made_by_a_role_that_reads_and_put_back_by_the_owner() {
    let roles = Roles::make().await;
    let granted = roles.migrate(&["--grant-to", &roles.service]);
    assert_eq!(granted.status.code(), Some(0), "{}", complaint(&granted));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // The ring, and what is sealed under it.
    drop(Service::start(
        &data,
        &[("DATABASE__URL", &roles.service_url())],
    ));
    let file = folder.path().join("backup");
    let output_of = |url: &str, arguments: &[&str]| {
        let settings = [("DATABASE__URL", url), ("DATA_DIR", data.to_str().unwrap())];
        let all = [
            &["backup", arguments[0], file.to_str().unwrap()],
            &arguments[1..],
        ]
        .concat();
        run(&all, &settings)
    };
    let operate = |url: &str, arguments: &[&str]| {
        let output = output_of(url, arguments);
        (output.status.code(), complaint(&output))
    };
    let (status, why) = operate(&roles.service_url(), &["create"]);
    assert_eq!(status, Some(1));
    assert!(why.contains("deploy/roles.sql") && !file.exists(), "{why}");

    let backup_url = roles.url_of(&roles.backup, OF_BACKUPS);
    for statement in [
        "DELETE FROM sessions",
        "INSERT INTO audit_entries_default SELECT * FROM audit_entries",
        "CREATE TABLE mine (id int)",
    ] {
        let output = psql(&backup_url, ["", ""], &["--command", statement]);
        assert!(
            complaint(&output).contains("permission denied"),
            "{statement}"
        );
    }
    let (status, why) = operate(&backup_url, &["create"]);
    assert_eq!(status, Some(0), "{why}");
    let (status, why) = operate(&backup_url, &["restore", "--replace"]);
    assert_eq!(status, Some(1), "it may only read: {why}");
    assert!(
        why.contains("restore as the role that owns the schema"),
        "{why}"
    );
    let restore = ["restore", "--replace", "--grant-to", &roles.service];
    // Without a word of the nodes' role, its rights go with the tables, and the operator is told.
    let output = output_of(&roles.owner_url(), &restore[..2]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let warning = format!(
        "warning: {} lost its rights with the tables that were replaced: run fashionistar-auth migrate up \
         --grant-to {}",
        roles.service, roles.service
    );
    let said = result(&output);
    assert!(said.contains(&warning), "{said}");
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    let granted = roles.migrate(&["--grant-to", &roles.service]);
    assert_eq!(granted.status.code(), Some(0), "{}", complaint(&granted));
    let output = output_of(&roles.owner_url(), &restore);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let said = result(&output);
    assert!(!said.contains("warning"), "{said}");
    // Nodes serve from it, and the next backup can be made of it.
    drop(Service::start(
        &data,
        &[("DATABASE__URL", &roles.service_url())],
    ));
    let (status, why) = operate(&backup_url, &["create", "--overwrite"]);
    assert_eq!(status, Some(0), "{why}");
    roles.drop().await;
}
