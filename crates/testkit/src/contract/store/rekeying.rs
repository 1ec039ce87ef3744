//! Data keys and index rows during a key change.

use authentication_app::ports::{
    Batch, Dependents, IndexEntry, IndexKeys, Indexed, KeyTask, NewAccount, Rewrapped,
    ServiceKeyRecord, StoreError, Unindexed, WrappedKey,
};
use authentication_domain::accounts::AccountId;
use common::Id;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    Store,
    support::{begin, register, retrying, somebody},
};
use crate::{
    builders::{
        index_entry, index_keys, new_account, password_hash, sign_in_question, wrapped_key,
    },
    clock::START,
    race::{ROUNDS, at_once, fifty_at_once},
};

pub(super) const OLD: &str = "master-0";
pub(super) const NEW: &str = "master-1";
const NOBODY: AccountId = Id::from_uuid(Uuid::nil());
const EVERYBODY: Batch = Batch {
    after: NOBODY,
    until: None,
};

pub(super) fn under(master: &str) -> WrappedKey {
    WrappedKey {
        master_key_id: master.to_owned(),
        ..wrapped_key()
    }
}

/// A new account whose data key is wrapped under this master key.
pub(super) async fn somebody_under(store: &Store, master: &str) -> NewAccount {
    let mut account = new_account();
    account.record.wrapped_key = under(master);
    register(store, account).await
}

async fn key_of(store: &Store, account: AccountId) -> WrappedKey {
    let found = store.credentials_of(account).await.expect("an answer");
    found.expect("the account is there").0.wrapped_key
}

fn old() -> Vec<String> {
    vec![OLD.to_owned()]
}

pub(super) async fn count(store: &Store, of: Dependents<'_>) -> u64 {
    count_at(store, of, START).await
}

pub(super) async fn count_at(store: &Store, of: Dependents<'_>, now: OffsetDateTime) -> u64 {
    store.count_dependents(of, now).await.expect("a count")
}

/// Committed, because a dropped unit releases its locks with a delay.
async fn locked_data_keys(store: &Store, batch: Batch) -> Vec<(AccountId, WrappedKey)> {
    let found = in_unit!(store, rekeying.lock_data_keys(&old(), batch));
    found.expect("data keys")
}

/// Re-wraps one batch, as the use case does.
async fn rewrap(store: &Store, batch: Batch) -> Result<u64, StoreError> {
    let mut unit = store.begin().await?;
    let found = unit.rekeying().lock_data_keys(&old(), batch).await?;
    let keys: Vec<_> = found
        .into_iter()
        .map(|(account, read)| Rewrapped {
            account,
            read,
            next: under(NEW),
        })
        .collect();
    let changed = unit.rekeying().save_rewrapped(&keys).await?;
    unit.rekeying()
        .note_key_task(KeyTask::Rewrapping, changed, START)
        .await?;
    unit.commit().await?;
    Ok(changed)
}

/// Re-wraps all accounts, `at_a_time` per batch.
async fn rewrap_all(store: &Store, at_a_time: u32) -> u64 {
    let (mut after, mut changed) = (NOBODY, 0);
    loop {
        let until = store.find_batch_end(after, at_a_time).await;
        let until = until.expect("an answer");
        let batch = Batch { after, until };
        changed += retrying(|| rewrap(store, batch)).await.expect("a batch");
        match until {
            Some(last) => after = last,
            None => return changed,
        }
    }
}

async fn unindexed(store: &Store, key: &str, batch: Batch) -> Vec<Unindexed> {
    let found = in_unit!(store, rekeying.lock_unindexed(key, batch));
    found.expect("accounts")
}

pub async fn data_keys_are_found_by_their_master_key_in_the_order_of_accounts(store: Store) {
    let mut people = Vec::new();
    for _ in 0..5 {
        people.push(somebody_under(&store, OLD).await.record);
        somebody_under(&store, NEW).await;
    }
    people.sort_by_key(|person| person.account.id);
    let expected: Vec<_> = people
        .iter()
        .map(|person| (person.account.id, person.wrapped_key.clone()))
        .collect();
    assert_eq!(locked_data_keys(&store, EVERYBODY).await, expected);
    let first = Batch {
        until: Some(expected[1].0),
        ..EVERYBODY
    };
    assert_eq!(locked_data_keys(&store, first).await, expected[..2]);
    let second = Batch {
        after: expected[1].0,
        until: Some(expected[3].0),
    };
    assert_eq!(locked_data_keys(&store, second).await, expected[2..4]);
    let mut unit = begin(&store).await;
    let none = unit.rekeying().lock_data_keys(&[], EVERYBODY).await;
    assert_eq!(none.expect("an answer"), []);
}

pub async fn a_data_key_is_replaced_only_if_it_is_still_what_was_read(store: Store) {
    let person = somebody_under(&store, OLD).await.record;
    let account = person.account.id;
    let next = under(NEW);
    let change = |read: WrappedKey| {
        [Rewrapped {
            account,
            read,
            next: next.clone(),
        }]
    };
    for other in [under(OLD), under(NEW)] {
        let changed = in_unit!(store, rekeying.save_rewrapped(&change(other.clone())));
        assert_eq!(changed.expect("an answer"), 0);
    }
    assert_eq!(key_of(&store, account).await, person.wrapped_key);
    let read = person.wrapped_key;
    for expected in [1, 0] {
        let changed = in_unit!(store, rekeying.save_rewrapped(&change(read.clone())));
        assert_eq!(changed.expect("an answer"), expected);
    }
    assert_eq!(key_of(&store, account).await, next);
    let nothing = in_unit!(store, rekeying.save_rewrapped(&[]));
    assert_eq!(nothing.expect("an answer"), 0);
}

pub async fn workers_at_once_wrap_every_data_key_once(store: Store) {
    const PEOPLE: u64 = 40;
    for _ in 0..ROUNDS {
        for _ in 0..PEOPLE {
            somebody_under(&store, OLD).await;
        }
        let by_worker = at_once(8, |_| {
            let store = store.clone();
            async move {
                let mut changed = 0;
                while count(&store, Dependents::DataKeys(OLD)).await > 0 {
                    changed += rewrap_all(&store, 7).await;
                }
                changed
            }
        })
        .await;
        assert_eq!(by_worker.iter().sum::<u64>(), PEOPLE, "{by_worker:?}");
    }
}

pub async fn wrapping_anew_and_a_new_password_lose_nothing_of_each_other(store: Store) {
    for _ in 0..ROUNDS {
        let person = somebody_under(&store, OLD).await.record;
        let account = person.account.id;
        let password = password_hash();
        let saved = at_once(10, |number| {
            let (store, password) = (store.clone(), password.clone());
            async move {
                if number % 2 == 0 {
                    let changed = retrying(|| rewrap(&store, EVERYBODY)).await;
                    return changed.expect("a batch");
                }
                let set = in_unit!(
                    store,
                    accounts.set_password(account, 1, &password, None, START)
                );
                u64::from(set.expect("an answer"))
            }
        })
        .await;
        let changes = |of: usize| saved.iter().skip(of).step_by(2).sum::<u64>();
        assert_eq!(changes(1), 1, "one new password");
        assert!(changes(0) <= 1, "one wrapping at the most");
        rewrap(&store, EVERYBODY).await.expect("a batch");
        let (record, kept) = store
            .credentials_of(account)
            .await
            .expect("an answer")
            .expect("the account is there");
        assert_eq!(kept, Some(password));
        assert_eq!(record.account.version, 2);
        assert_eq!(record.wrapped_key.master_key_id, NEW);
    }
}

pub async fn accounts_registered_meanwhile_are_left_alone(store: Store) {
    for _ in 0..30 {
        somebody_under(&store, OLD).await;
    }
    let registered = at_once(10, |number| {
        let store = store.clone();
        async move {
            if number % 2 == 0 {
                rewrap_all(&store, 5).await;
                return None;
            }
            Some(somebody_under(&store, NEW).await.record)
        }
    })
    .await;
    for record in registered.into_iter().flatten() {
        let kept = key_of(&store, record.account.id).await;
        assert_eq!(kept, record.wrapped_key);
    }
}

pub async fn one_service_key_is_kept_whoever_makes_it(store: Store) {
    assert_eq!(store.find_service_key("1").await.expect("an answer"), None);
    let kept = fifty_at_once(|_| {
        let store = store.clone();
        async move {
            let key = ServiceKeyRecord {
                id: "1".to_owned(),
                wrapped: under(OLD),
            };
            store.keep_service_key(&key, START).await.expect("a key")
        }
    })
    .await;
    let found = store.find_service_key("1").await.expect("an answer");
    let found = found.expect("it is kept");
    assert!(kept.iter().all(|key| *key == found));
}

pub async fn a_service_key_is_replaced_only_if_it_is_still_what_was_read(store: Store) {
    let record = |wrapped: WrappedKey| ServiceKeyRecord {
        id: "1".to_owned(),
        wrapped,
    };
    let first = record(under(OLD));
    store.keep_service_key(&first, START).await.expect("a key");
    let locked = in_unit!(store, rekeying.lock_service_keys(&old()));
    assert_eq!(locked.expect("an answer"), std::slice::from_ref(&first));
    let next = under(NEW);
    let stale = record(under(OLD));
    for (read, expected) in [(&stale, false), (&first, true), (&first, false)] {
        let saved = in_unit!(store, rekeying.save_service_key(read, &next));
        assert_eq!(saved.expect("an answer"), expected);
    }
    let found = store.find_service_key("1").await.expect("an answer");
    assert_eq!(found, Some(next));
    let locked = in_unit!(store, rekeying.lock_service_keys(&old()));
    assert_eq!(locked.expect("an answer"), []);
}

/// An account with a row under the old index key, and the entry that it would have under the new one.
async fn somebody_indexed(store: &Store) -> (NewAccount, IndexEntry) {
    (somebody(store).await, index_entry("index-2"))
}

pub async fn accounts_without_an_index_row_are_found_until_they_have_one(store: Store) {
    let mut people = Vec::new();
    for _ in 0..4 {
        people.push(somebody_indexed(&store).await);
    }
    people.sort_by_key(|(person, _)| person.record.account.id);
    let found = unindexed(&store, "index-2", EVERYBODY).await;
    let ids: Vec<_> = found.iter().map(|it| it.account).collect();
    let all: Vec<_> = people.iter().map(|it| it.0.record.account.id).collect();
    assert_eq!(ids, all);
    for (found, (person, _)) in found.iter().zip(&people) {
        assert_eq!(found.identifier, person.record.identifier);
        assert_eq!(found.wrapped_key, person.record.wrapped_key);
    }
    assert_eq!(
        count(&store, Dependents::AccountsWithout("index-2")).await,
        4
    );
    let entries: Vec<_> = people[..3]
        .iter()
        .map(|(person, entry)| (person.record.account.id, entry.clone()))
        .collect();
    for expected in [3, 0] {
        assert_eq!(added(&store, &entries).await, (expected, Vec::new()));
    }
    let left = unindexed(&store, "index-2", EVERYBODY).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].account, all[3]);
    assert_eq!(
        count(&store, Dependents::AccountsWithout("index-2")).await,
        1
    );
    for (after, until) in [
        (all[3], None),
        (NOBODY, Some(all[2])),
        (all[1], Some(all[2])),
    ] {
        let batch = Batch { after, until };
        assert!(unindexed(&store, "index-2", batch).await.is_empty());
    }
    let (person, entry) = &people[0];
    let keys = IndexKeys {
        entries: vec![entry.clone()],
        ..index_keys()
    };
    let found = store
        .sign_in_record(sign_in_question(&keys, None))
        .await
        .expect("an answer");
    let found = found.account.expect("it is found under the new key");
    assert_eq!(found.account.id, person.record.account.id);
}

pub async fn while_both_keys_live_an_identifier_stays_one_accounts(store: Store) {
    for _ in 0..ROUNDS {
        let (person, entry) = somebody_indexed(&store).await;
        let account = person.record.account.id;
        let both = vec![person.index.entries[0].clone(), entry.clone()];
        let outcomes = at_once(10, |number| {
            let (store, entry, entries) = (store.clone(), entry.clone(), both.clone());
            async move {
                if number % 2 == 0 {
                    let (added, taken) = added(&store, &[(account, entry.clone())]).await;
                    assert_eq!(taken, []);
                    return added;
                }
                let mut rival = new_account();
                rival.index = IndexKeys {
                    entries,
                    ..index_keys()
                };
                let inserted = in_unit!(store, accounts.insert(&rival));
                assert!(matches!(inserted, Err(StoreError::Conflict(_))));
                0
            }
        })
        .await;
        assert_eq!(outcomes.iter().sum::<u64>(), 1);
    }
}

pub async fn index_rows_of_retired_keys_are_removed_and_no_others(store: Store) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        let mut person = new_account();
        person.index.entries.push(index_entry("index-0"));
        ids.push(register(&store, person).await.record.account.id);
    }
    let kept = somebody(&store).await;
    ids.sort();
    let dead = vec!["index-0".to_owned()];
    let batch = Batch {
        until: Some(ids[2]),
        ..EVERYBODY
    };
    let rest = Batch {
        after: ids[2],
        until: None,
    };
    for (batch, expected) in [(batch, 3), (rest, 2), (EVERYBODY, 0)] {
        let removed = in_unit!(store, rekeying.remove_index_entries(&dead, batch));
        assert_eq!(removed.expect("an answer"), expected);
    }
    let none = in_unit!(store, rekeying.remove_index_entries(&[], EVERYBODY));
    assert_eq!(none.expect("an answer"), 0);
    assert_eq!(count(&store, Dependents::IndexRows("index-1")).await, 6);
    let found = store.find_by_subject(kept.index.subject).await;
    assert!(found.expect("an answer").is_some());
}

async fn added(store: &Store, entries: &[(AccountId, IndexEntry)]) -> (u64, Vec<AccountId>) {
    let indexed = in_unit!(store, rekeying.add_index_entries(entries));
    let Indexed { added, taken } = indexed.expect("an answer");
    (added, taken)
}

/// The consequence of a forced key change: another account registered the identifier while it had no row.
pub async fn whose_identifier_is_another_accounts_by_now_is_told(store: Store) {
    let (person, entry) = somebody_indexed(&store).await;
    let (other, other_entry) = somebody_indexed(&store).await;
    let (account, other) = (person.record.account.id, other.record.account.id);
    let mut rival = new_account();
    rival.index.entries = vec![entry.clone()];
    register(&store, rival).await;
    let entries = [(account, entry), (other, other_entry)];
    for expected in [1, 0] {
        assert_eq!(added(&store, &entries).await, (expected, vec![account]));
    }
}

pub async fn a_batch_ends_after_so_many_accounts_whatever_they_need(store: Store) {
    let end = async |after, accounts| {
        let end = store.find_batch_end(after, accounts).await;
        end.expect("an answer")
    };
    assert_eq!(end(NOBODY, 1).await, None);
    let mut ids = Vec::new();
    for master in [OLD, NEW, NEW, OLD, NEW] {
        ids.push(somebody_under(&store, master).await.record.account.id);
    }
    ids.sort();
    assert_eq!(end(NOBODY, 1).await, Some(ids[0]));
    assert_eq!(end(NOBODY, 3).await, Some(ids[2]));
    assert_eq!(end(ids[2], 2).await, Some(ids[4]));
    assert_eq!(end(ids[2], 3).await, None);
    assert_eq!(end(ids[4], 1).await, None);
}

pub async fn what_tasks_did_is_added_up(store: Store) {
    assert_eq!(store.key_tasks().await.expect("an answer"), []);
    for (rows, at) in [(5, START), (3, START - Duration::HOUR)] {
        let noted = in_unit!(store, rekeying.note_key_task(KeyTask::Indexing, rows, at));
        noted.expect("it is noted");
    }
    let tasks = store.key_tasks().await.expect("an answer");
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].task, KeyTask::Indexing);
    assert_eq!((tasks[0].rows, tasks[0].last_at), (8, START));
}
