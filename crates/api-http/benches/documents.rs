//! Documents in and out: a body that is parsed, a refusal that is written.

use std::hint::black_box;

use api_http::for_benches;
use criterion::{Criterion, criterion_group, criterion_main};

fn bodies(c: &mut Criterion) {
    let body = br#"{"identifier":"ada@example.com","password":"lilac-Harbour-42-zeppelin"}"#;
    c.bench_function("body: parse a sign-in", |b| {
        b.iter(|| assert!(for_benches::parses_as_a_sign_in(black_box(body))));
    });
}

fn problems(c: &mut Criterion) {
    c.bench_function("problem: write a refusal with a field", |b| {
        b.iter(for_benches::a_refusal);
    });
}

criterion_group!(benches, bodies, problems);
criterion_main!(benches);
