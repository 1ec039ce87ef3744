//! Every question and every write of the store, once at least.

mod messages;
mod ways_in;

use authentication_app::ports::{
    AccountQueries as _, Batch, Cleared, EventQueue as _, FailureScope, ImportQueries as _,
    KeyTask, Maintenance as _, NewAccount, RekeyingQueries as _, Rewrapped, ServiceKeyRecord,
    SubjectWindows, TimeStore as _, UnitOfWorkFactory as _,
};
use authentication_domain::protection::LockoutRules;
use identity_adapters_postgres::Store;
use testkit::{
    builders::{
        id, id_at, index_entry, index_keys_amid_rotation, new_account, password_hash, sealed,
        sign_in_question, subject,
    },
    clock::START,
    contract::store::imports::newcomer,
};
use time::Duration;

use self::{
    messages::{deliver_events, write_notices, write_trail},
    ways_in::{write_codes, write_federation, write_passkeys, write_sessions},
};

pub(crate) async fn ask_everything(store: &Store) {
    let owner = new_account();
    store.serve_destination("somewhere", START).await.unwrap();
    write_account(store, &owner).await;
    write_imports(store, &owner).await;
    write_codes(store, &owner).await;
    write_federation(store, &owner).await;
    write_sessions(store, &owner).await;
    write_passkeys(store, &owner).await;
    write_trail(store, &owner).await;
    write_notices(store, &owner).await;
    deliver_events(store).await;
    write_keys(store, &owner).await;
    store
        .sign_in_record(sign_in_question(&index_keys_amid_rotation(), None))
        .await
        .unwrap();
    store
        .purge_expired(START + Duration::days(400))
        .await
        .unwrap();
    // But for its going back, which rewrites whole tables and happens once.
    let seen = store.shared_time().await.unwrap();
    store.note_time(START, seen.set_backs).await.unwrap();
    store.ping().await.unwrap();
}

async fn write_account(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let scope = FailureScope {
        subject: owner.index.subject,
        device: Some(id()),
    };
    let mut unit = store.begin().await.unwrap();
    unit.accounts().insert(owner).await.unwrap();
    unit.accounts()
        .save_profile(account, 1, &sealed(), START)
        .await
        .unwrap();
    unit.accounts()
        .set_password(account, 1, &password_hash(), None, START)
        .await
        .unwrap();
    unit.accounts()
        .upgrade_password_hash(account, &password_hash(), &password_hash())
        .await
        .unwrap();
    unit.devices()
        .remember(account, id(), 20, START)
        .await
        .unwrap();
    unit.attempts()
        .record_failure(scope, LockoutRules::default(), START)
        .await
        .unwrap();
    let rules = LockoutRules::default();
    unit.attempts()
        .clear_failures(scope, Cleared::InARowOfAll, rules, START)
        .await
        .unwrap();
    let subjects = [scope.subject, subject()];
    unit.attempts().forget_in_a_row(&subjects).await.unwrap();
    unit.attempts().forget_account(account).await.unwrap();
    unit.attempts().forget_subject(scope.subject).await.unwrap();
    unit.commit().await.unwrap();
    store
        .sign_in_record(sign_in_question(&owner.index, Some(id())))
        .await
        .unwrap();
    store.credentials_of(account).await.unwrap();
    store.find_by_subject(owner.index.subject).await.unwrap();
}

/// Somebody whose identifier is taken among them, so that every statement is asked; and undone, since others
/// count accounts.
async fn write_imports(store: &Store, owner: &NewAccount) {
    let mut users = [newcomer(), newcomer()];
    users[1].account.index = owner.index.clone();
    let ids = users.each_ref().map(|user| user.legacy_id.clone());
    store.find_imported(&ids).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.imports().insert(&users, START).await.unwrap();
}

/// But for the counts of what depends on a key, which go through whole tables and are an operator's.
async fn write_keys(store: &Store, owner: &NewAccount) {
    let record = &owner.record;
    let (account, read) = (record.account.id, record.wrapped_key.clone());
    let masters = [read.master_key_id.clone()];
    let batch = Batch {
        after: id_at(START - Duration::DAY),
        until: None,
    };
    store.find_batch_end(batch.after, 10).await.unwrap();
    let service_key = ServiceKeyRecord {
        id: "1".to_owned(),
        wrapped: read.clone(),
    };
    store.keep_service_key(&service_key, START).await.unwrap();
    let windows = SubjectWindows {
        failures: Duration::HOUR,
        tries: Duration::HOUR,
        messages: Duration::DAY,
    };
    let candidates = [owner.index.subject, subject()];
    store
        .subject_in_use(&candidates, windows, START)
        .await
        .unwrap();
    let mut unit = store.begin().await.unwrap();
    let work = unit.rekeying();
    work.lock_data_keys(&masters, batch).await.unwrap();
    let rewrapped = Rewrapped {
        account,
        next: read.clone(),
        read,
    };
    work.save_rewrapped(&[rewrapped]).await.unwrap();
    work.save_service_key(&service_key, &service_key.wrapped)
        .await
        .unwrap();
    work.lock_unindexed("index-2", batch).await.unwrap();
    let entry = [(account, index_entry("index-2"))];
    for _ in 0..2 {
        work.add_index_entries(&entry).await.unwrap();
    }
    work.remove_index_entries(&["index-2".to_owned()], batch)
        .await
        .unwrap();
    work.note_key_task(KeyTask::Indexing, 1, START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
}
