//! How secrets are compared (OWASP ASVS 5.0 V11.2.4): in constant time, in one way, or by looking a digest up.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: a broken expectation fails the test"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use authentication_app::ports::DataKey;
use authentication_domain::{
    challenges::OneTimeCode,
    credentials::PlainPassword,
    mfa::RecoveryCode,
    opaque_token::OpaqueToken,
    sessions::{DeviceToken, RefreshToken},
};
use secrecy::SecretString;

/// Fails to compile for a type that has `==`: then there are two answers to which of the two is meant.
macro_rules! assert_has_no_equality {
    ($($secret:ty),+ $(,)?) => {$(
        const _: fn() = || {
            trait Meant<Answer> {
                fn is_unambiguous() {}
            }
            struct HasEquality;
            impl<T: ?Sized> Meant<()> for T {}
            impl<T: ?Sized + PartialEq> Meant<HasEquality> for T {}
            let _ = <$secret as Meant<_>>::is_unambiguous;
        };
    )+};
}

assert_has_no_equality!(
    DataKey,
    DeviceToken,
    OneTimeCode,
    OpaqueToken,
    PlainPassword,
    RecoveryCode,
    RefreshToken,
    SecretString,
);

/// Of the crates that ship, with their paths.
fn sources() -> Vec<(PathBuf, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = fs::read_dir(crates)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("testkit") && !path.ends_with("bench"))
        .map(|path| path.join("src"))
        .collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                sources.push((path, source));
            }
        }
    }
    assert!(sources.len() > 300, "only {} files", sources.len());
    sources
}

/// What is not a test: everything before the module of tests at the end of a file.
fn shipped(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

#[test]
fn there_is_one_way_to_compare_secrets() {
    let others = ["verify_slices_are_equal", "ct_eq", "ConstantTimeEq"];
    for (path, source) in sources() {
        if path.ends_with("common/src/constant_time.rs") {
            continue;
        }
        for other in others {
            assert!(
                !shipped(&source).contains(other),
                "{}: {other} beside common::constant_time::is_equal",
                path.display()
            );
        }
    }
}

/// A secret that was taken out of its type has `==` again.
#[test]
fn no_secret_is_compared_once_it_is_exposed() {
    for (path, source) in sources() {
        if path.components().any(|part| part.as_os_str() == "tests")
            || path.file_stem().is_some_and(|it| it == "tests")
        {
            continue;
        }
        for (number, line) in shipped(&source).lines().enumerate() {
            let compares = line.contains("==") || line.contains("!=");
            let exposes = ["expose_secret()", ".expose()", ".mac ", ".mac)"]
                .iter()
                .any(|exposed| line.contains(exposed));
            assert!(
                !(compares && exposes),
                "{}:{}: {}",
                path.display(),
                number + 1,
                line.trim()
            );
        }
    }
}
