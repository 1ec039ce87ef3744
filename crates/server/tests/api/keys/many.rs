//! Many accounts are wrapped and indexed anew while people sign in.
//!
//! `deploy/key-rotation-run.py` does the same with 100,000 accounts and the release binary.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use adapters_crypto::{BlindIndex, CryptoVault, KeyRing, KeysInUse, ServiceKey, SystemRandom};
use authentication_app::ports::{
    AccountQueries as _, FieldContext, IdentifierIndex as _, NewAccount, RekeyingQueries as _,
    ServiceKeyRecord, UnitOfWorkFactory as _, Vault as _, WrappedKey,
};
use authentication_domain::accounts::{AccountId, Identifier};
use common::Id;
use identity_adapters_postgres::{Store, StoreConfig};
use testkit::builders::new_account;
use uuid::Uuid;

use crate::{
    app::TestApp,
    person::{PASSWORD, Person},
};

/// Enough for many batches, and few enough for a suite.
const ACCOUNTS: u32 = 1_000;
const CLIENTS: usize = 4;

/// What seals as the service does, with the ring that is in the file now.
struct Sealing {
    vault: CryptoVault,
    index: BlindIndex,
}

impl Sealing {
    async fn of(app: &TestApp, store: &Store) -> Self {
        let keys = KeysInUse::new(KeyRing::load(&app.ring_file()).unwrap());
        let id = ServiceKey::ID.to_owned();
        let wrapped = store.find_service_key(&id).await.unwrap().unwrap();
        let service = ServiceKey::open(&keys, &ServiceKeyRecord { id, wrapped }).unwrap();
        let random = Arc::new(SystemRandom);
        Self {
            vault: CryptoVault::new(Arc::clone(&keys), service, random),
            index: BlindIndex::new(keys),
        }
    }

    fn account(&self, number: u32) -> NewAccount {
        let identifier = Identifier::parse(&format!("many-{number}@example.com")).unwrap();
        let mut new = new_account();
        let account = new.record.account.id;
        let (key, wrapped_key) = self.vault.new_data_key(account);
        let seal = |table, column, plain: &str| {
            let row = account.as_uuid();
            let context = FieldContext { table, column, row };
            self.vault.seal(&key, context, plain.as_bytes())
        };
        new.record.identifier = seal("accounts", "identifier", &identifier.to_text());
        new.record.profile = seal("profiles", "document", "{}");
        new.record.wrapped_key = wrapped_key;
        new.index = self.index.keys_of(&identifier);
        new.password = None;
        new
    }
}

async fn store_of(app: &TestApp) -> Store {
    Store::connect(&StoreConfig::new(app.database().url()))
        .await
        .unwrap()
}

/// Makes accounts beside the service, in few commits.
async fn make_many(app: &TestApp) {
    let store = store_of(app).await;
    let sealing = Sealing::of(app, &store).await;
    for batch in 0..ACCOUNTS / 500 {
        let mut unit = store.begin().await.unwrap();
        for number in 0..500 {
            let account = sealing.account(batch * 500 + number);
            unit.accounts().insert(&account).await.unwrap();
        }
        unit.commit().await.unwrap();
    }
    store.close().await;
}

/// Signs in over and over until it is enough.
async fn sign_in(app: TestApp, person: Person, done: Arc<(AtomicBool, AtomicU32)>) {
    while !done.0.load(Ordering::Relaxed) {
        // No more sign-ins a minute than one person may.
        app.advance_seconds(4);
        let answer = app.log_in(&person.identifier, PASSWORD).await;
        answer.assert_status(200);
        let access = answer.text_of("/tokens/access_token");
        app.me(&access).await.assert_status(200);
        app.refresh(&answer.text_of("/tokens/refresh_token"))
            .await
            .assert_status(200);
        done.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether a vault that has nothing but an old ring opens any data key there is.
async fn opens_any(app: &TestApp, old: &CryptoVault, old_id: &str) -> bool {
    let rows = app
        .database()
        .rows("SELECT account_id, wrapped_key FROM account_keys")
        .await;
    rows.iter().any(|row| {
        let account: Uuid = row.try_get("", "account_id").unwrap();
        let account: AccountId = Id::from_uuid(account);
        let wrapped = WrappedKey {
            master_key_id: old_id.to_owned(),
            bytes: row.try_get("", "wrapped_key").unwrap(),
        };
        old.unwrap_key(account, &wrapped).is_ok()
    })
}

testkit::on_every_engine! {
    async fn heavy_accounts_are_rekeyed_while_four_clients_sign_in(engine: Engine) {
        use authentication_app::ports::KeySection::{BlindIndex as Index, FieldEncryption};

        let app = TestApp::start_watchful(engine).await;
        make_many(&app).await;
        let store = store_of(&app).await;
        let old = Sealing::of(&app, &store).await;
        let old_id = app.current_key(FieldEncryption);
        assert!(opens_any(&app, &old.vault, &old_id).await, "the look would notice");

        let done = Arc::new((AtomicBool::new(false), AtomicU32::new(0)));
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let person = app.register_person().await;
            clients.push(tokio::spawn(sign_in(app.clone(), person, Arc::clone(&done))));
        }
        app.add_next(FieldEncryption).await;
        app.add_next(Index).await;
        app.until_all_rows(&app.next_key(Index)).await;
        let retired = [app.promote(Index).await, app.promote(FieldEncryption).await];
        app.until_none_under(&old_id).await;
        let signed_in = done.1.load(Ordering::Relaxed);
        done.0.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.expect("no request failed");
        }
        assert!(signed_in > 0);
        // Somebody who registers meanwhile, and longer than caches hold anything.
        let late = app.register_person().await;
        app.advance_seconds(121);
        app.retire(Index, &retired[0]).await;
        app.retire(FieldEncryption, &retired[1]).await;
        app.until_no_rows_under(&retired[0]).await;
        for id in &retired {
            assert_eq!(app.places_of(id).await, Vec::<String>::new(), "{id}");
        }
        assert!(!opens_any(&app, &old.vault, &old_id).await);
        app.log_in(&late.identifier, PASSWORD).await.assert_status(200);
        assert!(app.count("accounts").await > i64::from(ACCOUNTS));
        // Their owners are still who they were: the identifier is taken, and found.
        let new = Sealing::of(&app, &store).await;
        for number in [0, ACCOUNTS / 2, ACCOUNTS - 1] {
            let identifier = Identifier::parse(&format!("many-{number}@example.com")).unwrap();
            let keys = new.index.keys_of(&identifier);
            let found = store.find_by_subject(keys.subject).await.unwrap().unwrap();
            assert!(new.vault.unwrap_key(found.account.id, &found.wrapped_key).is_ok());
        }
        store.close().await;
    }
}
