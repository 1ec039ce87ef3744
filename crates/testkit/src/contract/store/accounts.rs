//! Accounts, their identifiers, profiles and passwords.

use authentication_app::ports::{
    AccountRecord, IndexKeys, NewAccount, StoreError, Subject, UniqueRule,
};
use authentication_domain::{
    accounts::{AccountId, AccountStatus, SignUpMethod},
    credentials::PasswordHash,
};
use common::{
    access::{Role, Roles},
    money::Money,
};
use time::Duration;

use super::{
    Store,
    support::{begin, register, sign_in_record, somebody, wins},
};
use crate::{
    builders::{
        account_record, id, index_entry, index_keys, index_keys_amid_rotation, new_account,
        new_account_in, password_hash, sealed, sign_in_question,
    },
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

async fn read(store: &Store, account: AccountId) -> Option<(AccountRecord, Option<PasswordHash>)> {
    let found = store.credentials_of(account).await;
    found.expect("the store answers")
}

async fn find(store: &Store, identifier: &IndexKeys) -> Option<AccountRecord> {
    let found = store.find_by_subject(identifier.subject).await;
    found.expect("the store answers")
}

pub async fn an_account_is_read_as_it_was_written(store: Store) {
    let mut account = new_account();
    account.record.wallet = Money {
        minor: 125_000,
        currency: "GHS".parse().expect("a currency"),
    };
    let account = register(&store, account).await;
    let _other = somebody(&store).await;
    let expected = Some((account.record.clone(), account.password.clone()));
    assert_eq!(read(&store, account.record.account.id).await, expected);
    assert_eq!(
        find(&store, &account.index).await,
        Some(account.record.clone())
    );
    let sign_in = sign_in_record(&store, &account.index).await;
    assert_eq!(sign_in.account, Some(account.record));
    assert_eq!(sign_in.password, account.password);
    assert_eq!(
        (sign_in.failures, sign_in.device_failures, sign_in.device),
        (None, None, None)
    );
}

pub async fn every_state_of_an_account_survives_the_store(store: Store) {
    let since = START - Duration::days(3);
    let states = [
        AccountStatus::Pending,
        AccountStatus::Active,
        AccountStatus::Suspended { since },
        AccountStatus::Deleted { since },
    ];
    let roles = Role::ALL.map(Roles::from).into_iter();
    let roles = roles.chain([Roles::default(), Roles::from_iter(Role::ALL)]);
    let methods = [
        SignUpMethod::Phone,
        SignUpMethod::Google,
        SignUpMethod::Provider,
        SignUpMethod::Email,
    ];
    let states = states.into_iter().cycle().zip(methods.into_iter().cycle());
    for ((status, method), roles) in states.zip(roles) {
        let mut account = new_account_in(status);
        account.record.account.roles = roles;
        account.record.account.sign_up_method = method;
        let account = register(&store, account).await;
        assert_eq!(find(&store, &account.index).await, Some(account.record));
    }
}

/// During a key change, an account has an index entry under each live key.
pub async fn an_account_is_found_under_every_live_index_key(store: Store) {
    let mut account = new_account();
    account.index = index_keys_amid_rotation();
    let account = register(&store, account).await;
    let found = Some(&account.record);
    let [current, older] = <[_; 2]>::try_from(account.index.entries).expect("two keys");
    // An entry under a key that came after the account was indexed finds nothing and does no harm.
    for entries in [
        vec![current.clone()],
        vec![older.clone()],
        vec![index_entry("index-2"), current.clone()],
    ] {
        let keys = IndexKeys {
            earlier_subjects: Vec::new(),
            subject: account.index.subject,
            entries,
        };
        assert_eq!(sign_in_record(&store, &keys).await.account.as_ref(), found);
    }
    for digest in [current.digest, older.digest] {
        assert_eq!(
            store
                .find_by_subject(Subject(digest))
                .await
                .unwrap()
                .as_ref(),
            found
        );
    }
}

pub async fn an_unknown_identifier_is_nobody(store: Store) {
    let _somebody = somebody(&store).await;
    let unknown = index_keys();
    assert_eq!(find(&store, &unknown).await, None);
    let record = store
        .sign_in_record(sign_in_question(&unknown, Some(id())))
        .await;
    let record = record.expect("the store answers");
    assert_eq!(
        (record.owner, record.account, record.password),
        (None, None, None)
    );
    assert_eq!(record.device, None);
    assert_eq!((record.failures, record.device_failures), (None, None));
    assert_eq!(read(&store, id()).await, None);
}

pub async fn an_account_may_have_no_password(store: Store) {
    let account = NewAccount {
        password: None,
        ..new_account()
    };
    let account = register(&store, account).await;
    assert_eq!(sign_in_record(&store, &account.index).await.password, None);
    let id = account.record.account.id;
    assert_eq!(read(&store, id).await, Some((account.record, None)));
}

pub async fn an_identifier_belongs_to_one_account(store: Store) {
    let first = somebody(&store).await;
    let second = NewAccount {
        index: first.index.clone(),
        ..new_account()
    };
    assert_taken(&store, &second).await;
    assert_eq!(find(&store, &first.index).await, Some(first.record));
}

pub async fn one_shared_index_entry_is_a_conflict(store: Store) {
    let mut first = new_account();
    first.index = index_keys_amid_rotation();
    let first = register(&store, first).await;
    let mut second = new_account();
    second.index = index_keys_amid_rotation();
    second.index.entries[1] = first.index.entries[1].clone();
    assert_taken(&store, &second).await;
}

async fn assert_taken(store: &Store, second: &NewAccount) {
    let mut unit = begin(store).await;
    let refused = unit.accounts().insert(second).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict(UniqueRule::Identifier))),
        "{refused:?}"
    );
    drop(unit);
    assert_eq!(read(store, second.record.account.id).await, None);
}

pub async fn of_fifty_registrations_of_one_identifier_one_wins(store: Store) {
    for _ in 0..ROUNDS {
        let index = index_keys();
        let answers = fifty_at_once(|_| {
            let (store, index) = (store.clone(), index.clone());
            async move {
                let account = NewAccount {
                    index,
                    ..new_account()
                };
                match in_unit!(store, accounts.insert(&account)) {
                    Ok(()) => Some(account.record),
                    Err(StoreError::Conflict(UniqueRule::Identifier)) => None,
                    Err(other) => panic!("{other:?}"),
                }
            }
        })
        .await;
        let winners: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(find(&store, &index).await.as_ref(), winners.first());
    }
}

pub async fn a_profile_is_replaced_only_in_the_version_that_was_read(store: Store) {
    let other = somebody(&store).await;
    let account = somebody(&store).await;
    let id = account.record.account.id;
    let read_version = account.record.profile_version;
    let (next, stale) = (sealed(), sealed());
    let later = START + Duration::minutes(1);

    let saved = in_unit!(store, accounts.save_profile(id, read_version, &next, later));
    assert!(saved.unwrap());
    let changed = find(&store, &account.index).await.expect("still there");
    assert_eq!(changed.profile, next);
    assert!(changed.profile_version > read_version);
    assert_eq!(changed.account.timestamps.created_at, START);
    assert_eq!(
        changed.account.timestamps.updated_at, later,
        "a reader notices the change"
    );

    let again = later + Duration::minutes(1);
    for version in [read_version, changed.profile_version + 1] {
        let saved = in_unit!(store, accounts.save_profile(id, version, &stale, again));
        assert!(!saved.unwrap(), "version {version}");
    }
    assert_eq!(find(&store, &account.index).await, Some(changed));
    assert_eq!(find(&store, &other.index).await, Some(other.record));
    let nobody = account_record();
    let saved = in_unit!(
        store,
        accounts.save_profile(nobody.account.id, 1, &stale, again)
    );
    assert!(!saved.unwrap());
}

pub async fn of_fifty_changes_of_one_profile_one_wins(store: Store) {
    let account = somebody(&store).await;
    let id = account.record.account.id;
    let mut read_version = account.record.profile_version;
    for _ in 0..ROUNDS {
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let profile = sealed();
            async move {
                let saved = in_unit!(
                    store,
                    accounts.save_profile(id, read_version, &profile, START)
                );
                saved.unwrap().then_some(profile)
            }
        })
        .await;
        let winners: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        let now = find(&store, &account.index).await.expect("still there");
        assert_eq!(Some(&now.profile), winners.first());
        read_version = now.profile_version;
    }
}

pub async fn a_password_is_set_only_in_the_version_that_was_read(store: Store) {
    let other = somebody(&store).await;
    let account = NewAccount {
        password: None,
        ..new_account()
    };
    let account = register(&store, account).await;
    let id = account.record.account.id;
    let version = account.record.account.version;
    // Created, then replaced.
    for (version, minute) in (version..).zip(1..=2) {
        let (password, stale) = (password_hash(), password_hash());
        let later = START + Duration::minutes(minute);
        let set = in_unit!(
            store,
            accounts.set_password(id, version, &password, None, later)
        );
        assert!(set.unwrap());
        let (record, kept) = read(&store, id).await.expect("still there");
        assert_eq!(kept.as_ref(), Some(&password));
        assert_eq!(
            record.account.version,
            version + 1,
            "it is the next version"
        );
        assert_eq!(record.account.timestamps.updated_at, later);

        for wrong in [version, version + 2] {
            let set = in_unit!(store, accounts.set_password(id, wrong, &stale, None, later));
            assert!(!set.unwrap(), "version {wrong}");
        }
        assert_eq!(read(&store, id).await, Some((record, Some(password))));
    }
    let untouched = Some((other.record.clone(), other.password));
    assert_eq!(read(&store, other.record.account.id).await, untouched);
    let nobody = account_record().account.id;
    let set = in_unit!(
        store,
        accounts.set_password(nobody, 1, &password_hash(), None, START)
    );
    assert!(!set.unwrap());
}

pub async fn an_account_advances_only_from_the_version_that_was_read(store: Store) {
    let owner = somebody(&store).await;
    let (id, version) = (owner.record.account.id, owner.record.account.version);
    let later = START + Duration::MINUTE;
    let advance =
        async |id, version| in_unit!(store, accounts.advance(id, version, later)).unwrap();
    assert!(!advance(id, version + 1).await);
    assert!(advance(id, version).await);
    assert!(!advance(id, version).await, "it is another version now");
    let (record, password) = read(&store, id).await.expect("still there");
    assert_eq!(record.account.version, version + 1);
    assert_eq!(record.account.timestamps.updated_at, later);
    assert_eq!(password, owner.password, "nothing else changed");
    assert!(!advance(account_record().account.id, 1).await);
}

/// Two requests that each remove one of two ways to sign in: each has read the other one as remaining.
pub async fn of_fifty_advances_of_one_account_one_wins(store: Store) {
    for _ in 0..ROUNDS {
        let owner = somebody(&store).await.record.account;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let (id, version) = (owner.id, owner.version);
            async move { in_unit!(store, accounts.advance(id, version, START)).unwrap() }
        })
        .await;
        assert_eq!(answers.iter().filter(|won| **won).count(), 1);
    }
}

pub async fn of_fifty_new_passwords_one_wins(store: Store) {
    let account = somebody(&store).await;
    let id = account.record.account.id;
    for round in 0..ROUNDS {
        let version = account.record.account.version + i64::try_from(round).unwrap();
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move {
                let set = in_unit!(
                    store,
                    accounts.set_password(id, version, &password_hash(), None, START)
                );
                set.unwrap()
            }
        })
        .await;
        assert_eq!(wins(&answers), 1);
        let (record, _) = read(&store, id).await.expect("still there");
        assert_eq!(record.account.version, version + 1);
    }
}

/// Not visible to the user: it does not change the account's version.
pub async fn a_hash_is_upgraded_only_if_it_is_still_the_one_that_was_read(store: Store) {
    let other = somebody(&store).await;
    let account = somebody(&store).await;
    let id = account.record.account.id;
    let outdated = account.password.expect("one was set");
    let (next, late) = (password_hash(), password_hash());
    in_unit!(store, accounts.upgrade_password_hash(id, &outdated, &next)).unwrap();
    assert_eq!(
        read(&store, id).await,
        Some((account.record.clone(), Some(next.clone())))
    );
    in_unit!(store, accounts.upgrade_password_hash(id, &outdated, &late)).unwrap();
    assert_eq!(read(&store, id).await, Some((account.record, Some(next))));
    let untouched = Some((other.record.clone(), other.password));
    assert_eq!(read(&store, other.record.account.id).await, untouched);
}

pub async fn a_lagging_clock_moves_no_time_stamp_back(store: Store) {
    let account = somebody(&store).await;
    let id = account.record.account.id;
    let earlier = START - Duration::seconds(2);
    let record = &account.record;
    let saved = in_unit!(
        store,
        accounts.save_profile(id, record.profile_version, &sealed(), earlier)
    );
    assert!(saved.unwrap());
    let set = in_unit!(
        store,
        accounts.set_password(id, record.account.version, &password_hash(), None, earlier)
    );
    assert!(set.unwrap());
    let (record, _) = read(&store, id).await.expect("still there");
    assert_eq!(record.account.timestamps.updated_at, START);
}
