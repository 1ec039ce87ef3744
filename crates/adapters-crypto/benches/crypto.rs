//! What stands in the way of every request: tokens, macs, digests, ciphertexts; and one password hash.
#![expect(clippy::expect_used, reason = "a broken set-up ends the benchmark")]

use std::{hint::black_box, sync::Arc};

use adapters_crypto::{
    Argon2Pool, BlindIndex, CryptoVault, HashingConfig, JwtConfig, JwtSigner, KeyRing, KeysInUse,
    ServiceKey, SystemClock, SystemRandom, TokenMacs,
};
use authentication_app::ports::{
    FieldContext, IdentifierIndex as _, Macs as _, PasswordHasher as _, TokenSigner as _,
    Vault as _,
};
use authentication_domain::{
    accounts::{AccountId, Identifier},
    credentials::PlainPassword,
    sessions::{AccessClaims, RefreshToken, SessionId},
};
use common::{
    Clock as _, Id,
    access::{AuthenticationMethod, Proofs, Role},
};
use criterion::{Criterion, criterion_group, criterion_main};
use secrecy::{ExposeSecret as _, SecretString};
use time::Duration;

fn id<K>() -> Id<K> {
    Id::mint(&SystemClock, &SystemRandom)
}

fn keys() -> Arc<KeysInUse> {
    KeysInUse::new(KeyRing::generate(&SystemRandom, SystemClock.now()))
}

fn signer(keys: &Arc<KeysInUse>) -> JwtSigner {
    let config = JwtConfig {
        issuer: "https://auth.example.com".to_owned(),
        audience: "fashionistar".to_owned(),
        client_id: "fashionistar-web".to_owned(),
        leeway: JwtConfig::LEEWAY,
    };
    JwtSigner::new(
        Arc::clone(keys),
        config,
        Arc::new(SystemClock),
        Arc::new(SystemRandom),
    )
    .expect("a configuration that holds")
}

fn claims() -> AccessClaims {
    let now = SystemClock.now();
    AccessClaims {
        account: id(),
        session: id(),
        generation: 0,
        roles: Role::Client.into(),
        references: Proofs::only(AuthenticationMethod::Password, now).references(),
        authenticated_at: now,
        issued_at: now,
        expires_at: now + Duration::minutes(10),
    }
}

fn access_tokens(c: &mut Criterion) {
    let keys = keys();
    let warm = signer(&keys);
    let claims = claims();
    c.bench_function("access token: sign", |b| {
        b.iter(|| warm.sign(black_box(&claims)).expect("a token"));
    });
    let token = warm.sign(&claims).expect("a token");
    let token = token.expose_secret();
    c.bench_function("access token: verify, seen before", |b| {
        b.iter(|| warm.verify(black_box(token)).expect("ours"));
    });
    c.bench_function("access token: verify, the first time", |b| {
        b.iter_batched(
            || warm.sign(&claims).expect("a token"),
            |fresh| warm.verify(fresh.expose_secret()).expect("ours"),
            criterion::BatchSize::SmallInput,
        );
    });
}

fn refresh_tokens(c: &mut Criterion) {
    let macs = TokenMacs::new(keys());
    let session: SessionId = id();
    let text = macs
        .refresh_token(&macs.current_refresh_key(), session, 7)
        .expect("the current key");
    let text = text.expose_secret();
    c.bench_function("refresh token: parse and check", |b| {
        b.iter(|| {
            let token = RefreshToken::parse(black_box(text)).expect("a token");
            assert!(macs.is_our_refresh_token(&token));
        });
    });
}

fn index(c: &mut Criterion) {
    let index = BlindIndex::new(keys());
    let identifier = Identifier::parse("ada@example.com").expect("an address");
    c.bench_function("blind index: one identifier", |b| {
        b.iter(|| index.keys_of(black_box(&identifier)));
    });
}

fn vault(c: &mut Criterion) {
    let keys = keys();
    let record = ServiceKey::generate(&keys, &SystemRandom);
    let service_key = ServiceKey::open(&keys, &record).expect("ours");
    let vault = CryptoVault::new(keys, service_key, Arc::new(SystemRandom));
    let account: AccountId = id();
    let (key, wrapped) = vault.new_data_key(account);
    let context = FieldContext {
        table: "profiles",
        column: "document",
        row: account.as_uuid(),
    };
    let plain = [b'x'; 200];
    let sealed = vault.seal(&key, context, &plain);
    c.bench_function("vault: unwrap a data key", |b| {
        b.iter(|| {
            vault
                .unwrap_key(account, black_box(&wrapped))
                .expect("ours")
        });
    });
    c.bench_function("vault: seal a field", |b| {
        b.iter(|| vault.seal(&key, context, black_box(&plain)));
    });
    c.bench_function("vault: open a field", |b| {
        b.iter(|| vault.open(&key, context, black_box(&sealed)).expect("ours"));
    });
}

fn ids(c: &mut Criterion) {
    c.bench_function("id: mint a UUIDv7", |b| b.iter(id::<()>));
}

fn passwords(c: &mut Criterion) {
    let pool = Argon2Pool::start(keys(), &HashingConfig::default(), Arc::new(SystemRandom))
        .expect("threads");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let typed = SecretString::from("lilac-Harbour-42-zeppelin");
    let password = PlainPassword::from_typed(&typed).expect("a password");
    let mut group = c.benchmark_group("password");
    group.sample_size(20);
    group.bench_function("hash on the pool", |b| {
        b.iter(|| runtime.block_on(pool.hash(&password)).expect("a hash"));
    });
    group.finish();
}

criterion_group!(
    benches,
    access_tokens,
    refresh_tokens,
    index,
    vault,
    ids,
    passwords
);
criterion_main!(benches);
