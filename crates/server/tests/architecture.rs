//! The dependencies between our crates, as the architecture allows them.
//!
//! They point one way: server → api-http → authentication-app → authentication-domain → common, and
//! adapters → authentication-app, never each other. A crate without a row here fails the test, so that
//! nobody adds an edge without deciding it.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may be built on. Crates that only tests use do not count.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("common", &[]),
    ("authentication-domain", &["common"]),
    ("authentication-app", &["common", "authentication-domain"]),
    (
        "identity-adapters-postgres",
        &[
            "common",
            "authentication-domain",
            "authentication-app",
            "migration",
        ],
    ),
    ("adapters-redis", INWARD),
    ("adapters-memory", INWARD),
    ("adapters-crypto", INWARD),
    ("adapters-messaging", INWARD),
    ("adapters-webhooks", INWARD),
    ("adapters-google", INWARD),
    ("api-http", INWARD),
    (
        "server",
        &[
            "common",
            "authentication-domain",
            "authentication-app",
            "identity-adapters-postgres",
            "adapters-redis",
            "adapters-memory",
            "adapters-crypto",
            "adapters-messaging",
            "adapters-webhooks",
            "adapters-google",
            "api-http",
            "migration",
        ],
    ),
    (
        "testkit",
        &[
            "common",
            "authentication-domain",
            "authentication-app",
            "migration",
        ],
    ),
    ("migration", &[]),
    // Measures what is shipped, and is not.
    (
        "bench",
        &[
            "authentication-app",
            "authentication-domain",
            "identity-adapters-postgres",
            "server",
        ],
    ),
];

/// What whoever stands behind or before the use cases may know.
const INWARD: &[&str] = &["common", "authentication-domain", "authentication-app"];

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let allowed = BTreeMap::from(ALLOWED);
    let mut found = BTreeSet::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        found.insert(name);
        let Some(allowed) = allowed.get(name) else {
            panic!("{name} has no row in the table: what may it depend on?");
        };
        for dependency in &package.dependencies {
            let counts =
                dependency.path.is_some() && dependency.kind != DependencyKind::Development;
            assert!(
                !counts || allowed.contains(&dependency.name.as_str()),
                "{name} must not depend on {}",
                dependency.name
            );
        }
    }
    let rows: BTreeSet<_> = allowed.keys().copied().collect();
    assert_eq!(rows, found, "a row without its crate");
}

/// Tests are the one place where testkit may be.
#[test]
fn nothing_that_is_shipped_knows_the_testkit() {
    assert!(
        ALLOWED
            .iter()
            .all(|(_, allowed)| !allowed.contains(&"testkit"))
    );
}
