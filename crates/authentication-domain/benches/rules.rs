//! The rule that costs something: whether a password is good enough.
#![expect(clippy::expect_used, reason = "a broken set-up ends the benchmark")]

use std::hint::black_box;

use authentication_domain::{
    accounts::Identifier,
    credentials::{PasswordPolicy, PlainPassword, Strength},
};
use common::access::Role;
use criterion::{Criterion, criterion_group, criterion_main};
use secrecy::SecretString;

fn password_policy(c: &mut Criterion) {
    let policy = PasswordPolicy::default();
    let owner = Identifier::parse("ada.lovelace@example.com").expect("an address");
    let longest = "lilac Harbour 42 ".repeat(15);
    let crafted = "a4@b8c({[<e3g69i1!|l7o0s$5t+x%z2".repeat(4);
    for (name, typed) in [
        ("common", "password123"),
        ("good", "lilac-Harbour-42-zeppelin"),
        ("as long as it may be", longest.as_str()),
        ("made to cost much", crafted.as_str()),
    ] {
        let password = PlainPassword::from_typed(&SecretString::from(typed)).expect("a password");
        c.bench_function(&format!("password policy: {name}"), |b| {
            b.iter(|| {
                policy.check(black_box(&password))?;
                policy.check_owner(&password, &owner, Role::Client.into())?;
                let strength = Strength::of(password.expose(), &policy.guessed_first(&owner));
                policy.check_strength(strength)
            });
        });
    }
}

criterion_group!(benches, password_policy);
criterion_main!(benches);
