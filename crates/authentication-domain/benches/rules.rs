//! The rule that costs something: whether a password is good enough.
#![expect(clippy::expect_used, reason = "a broken set-up ends the benchmark")]

use std::hint::black_box;

use authentication_domain::{
    accounts::Identifier,
    credentials::{PasswordPolicy, PlainPassword},
};
use common::access::Role;
use criterion::{Criterion, criterion_group, criterion_main};
use secrecy::SecretString;

fn password_policy(c: &mut Criterion) {
    let policy = PasswordPolicy::default();
    let owner = Identifier::parse("ada.lovelace@example.com").expect("an address");
    let longest = "lilac Harbour 42 ".repeat(15);
    for (name, typed) in [
        ("common", "password123"),
        ("good", "lilac-Harbour-42-zeppelin"),
        ("as long as it may be", longest.as_str()),
    ] {
        let password = PlainPassword::from_typed(&SecretString::from(typed)).expect("a password");
        c.bench_function(&format!("password policy: {name}"), |b| {
            b.iter(|| policy.check_for(black_box(&password), &owner, Role::Client.into()));
        });
    }
}

criterion_group!(benches, password_policy);
criterion_main!(benches);
