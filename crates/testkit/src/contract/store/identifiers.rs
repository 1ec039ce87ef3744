//! Changes of identifiers, locked passwords, and proven phone numbers.

use authentication_app::ports::{
    AccountRecord, IdentifierSwap, IndexKeys, NewAccount, NewSession, Sealed, StoreError,
    UniqueRule,
};
use authentication_domain::{accounts::SignUpMethod, challenges::Purpose};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{begin_session, register, sign_in_record, somebody, whole_batch, wins},
};
use crate::{
    builders::{
        id, index_entry, index_keys, index_keys_amid_rotation, new_account, new_challenge,
        new_session, password_hash, sealed,
    },
    clock::START,
    race::{ROUNDS, at_once},
};

const WINDOW: Duration = Duration::hours(72);

/// A change of an identifier at `now`, after `changes` earlier ones.
struct Change<'a> {
    of: &'a NewAccount,
    to: &'a IndexKeys,
    text: Sealed,
    changes: i64,
    now: OffsetDateTime,
}

impl<'a> Change<'a> {
    fn new(of: &'a NewAccount, to: &'a IndexKeys) -> Self {
        Self {
            of,
            to,
            text: sealed(),
            changes: 0,
            now: START,
        }
    }

    const fn after(mut self, changes: i64) -> Self {
        self.changes = changes;
        self
    }

    const fn at(mut self, now: OffsetDateTime) -> Self {
        self.now = now;
        self
    }

    fn swap(&self) -> IdentifierSwap<'_> {
        IdentifierSwap {
            account: self.of.record.account.id,
            read_version: self.of.record.account.version + self.changes,
            identifier: &self.text,
            method: SignUpMethod::Phone,
            index: self.to,
            reserve_until: Some(self.now + WINDOW),
            now: self.now,
        }
    }

    async fn make(&self, store: &Store) -> Result<bool, StoreError> {
        in_unit!(store, accounts.change_identifier(self.swap()))
    }

    /// Reverts to this identifier.
    async fn undo(&self, store: &Store) -> Result<bool, StoreError> {
        let swap = IdentifierSwap {
            reserve_until: None,
            ..self.swap()
        };
        in_unit!(store, accounts.change_identifier(swap))
    }
}

fn is_taken(answer: &Result<bool, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Conflict(UniqueRule::Identifier)))
}

async fn find(store: &Store, identifier: &IndexKeys) -> Option<AccountRecord> {
    let found = store.find_by_subject(identifier.subject).await;
    found.expect("the store answers")
}

async fn is_reserved(store: &Store, identifier: &IndexKeys, now: OffsetDateTime) -> bool {
    let reserved = store.is_reserved(identifier.subject, None, now).await;
    reserved.expect("the store answers")
}

/// A registration of another account with the identifier at `now`.
async fn try_to_register(
    store: &Store,
    identifier: &IndexKeys,
    now: OffsetDateTime,
) -> Result<NewAccount, StoreError> {
    let mut account = NewAccount {
        index: identifier.clone(),
        ..new_account()
    };
    account.record.account.timestamps.created_at = now;
    in_unit!(store, accounts.insert(&account)).map(|()| account)
}

pub async fn an_account_has_its_new_identifier_and_no_other(store: Store) {
    let mut owner = new_account();
    owner.index = index_keys_amid_rotation();
    let owner = register(&store, owner).await;
    let new = index_keys_amid_rotation();
    let change = Change::new(&owner, &new);
    let later = START + Duration::HOUR;
    assert!(change.at(later).make(&store).await.unwrap());
    let found = find(&store, &new)
        .await
        .expect("it is found by the new one");
    assert_eq!(found.account.id, owner.record.account.id);
    assert_eq!(found.account.version, owner.record.account.version + 1);
    assert_eq!(found.account.sign_up_method, SignUpMethod::Phone);
    assert_eq!(found.account.timestamps.updated_at, later);
    assert_ne!(found.identifier, owner.record.identifier);
    for entry in &new.entries {
        let alone = IndexKeys {
            entries: vec![entry.clone()],
            ..new.clone()
        };
        assert!(sign_in_record(&store, &alone).await.account.is_some());
    }
    // No query finds the account by its previous identifier.
    assert_eq!(find(&store, &owner.index).await, None);
    assert_eq!(sign_in_record(&store, &owner.index).await.owner, None);
    let challenge = new_challenge(&owner.index, Purpose::SignIn);
    in_unit!(store, challenges.insert(&challenge)).unwrap();
    let read = store.find_challenge(challenge.digest, None, START).await;
    assert_eq!(read.unwrap().expect("it is kept").owner, None);
}

pub async fn an_identifier_is_changed_only_in_the_version_that_was_read(store: Store) {
    let owner = somebody(&store).await;
    let (first, second) = (index_keys(), index_keys());
    let stale = Change::new(&owner, &second);
    assert!(Change::new(&owner, &first).make(&store).await.unwrap());
    assert!(!stale.make(&store).await.unwrap());
    assert_eq!(find(&store, &second).await, None);
    assert!(find(&store, &first).await.is_some());
}

pub async fn the_identifier_before_is_nobodys_for_a_while(store: Store) {
    let (owner, stranger) = (somebody(&store).await, somebody(&store).await);
    let new = index_keys();
    assert!(!is_reserved(&store, &owner.index, START).await);
    assert!(Change::new(&owner, &new).make(&store).await.unwrap());
    let last_moment = START + WINDOW - Duration::MICROSECOND;
    let account = owner.record.account.id;
    for (asking, expected) in [(account, false), (stranger.record.account.id, true)] {
        let reserved = store
            .is_reserved(owner.index.subject, Some(asking), START)
            .await;
        assert_eq!(reserved.expect("the store answers"), expected);
    }
    for now in [START, last_moment] {
        assert!(is_reserved(&store, &owner.index, now).await);
        let registered = try_to_register(&store, &owner.index, now).await;
        assert!(
            matches!(
                registered,
                Err(StoreError::Conflict(UniqueRule::Identifier))
            ),
            "{registered:?}"
        );
        let taken = Change::new(&stranger, &owner.index)
            .at(now)
            .make(&store)
            .await;
        assert!(is_taken(&taken), "{taken:?}");
    }
    assert_eq!(find(&store, &owner.index).await, None);
    let end = START + WINDOW;
    assert!(!is_reserved(&store, &owner.index, end).await);
    let next = try_to_register(&store, &owner.index, end).await.unwrap();
    let found = find(&store, &owner.index).await.expect("it has an owner");
    assert_eq!(found.account.id, next.record.account.id);
    assert!(find(&store, &new).await.is_some());
}

pub async fn a_purge_removes_reservations_that_are_over(store: Store) {
    let owner = somebody(&store).await;
    let new = index_keys();
    assert!(Change::new(&owner, &new).make(&store).await.unwrap());
    let end = START + WINDOW;
    // The security move: everything that began before it has expired.
    assert_eq!(store.purge_expired(end).await.unwrap(), 1);
    let later = end + Duration::MICROSECOND;
    assert_eq!(store.purge_expired(later).await.unwrap(), 1);
    assert!(find(&store, &new).await.is_some(), "what is in use stays");
}

pub async fn whoever_changed_may_have_the_identifier_before_again(store: Store) {
    let owner = somebody(&store).await;
    let new = index_keys();
    assert!(Change::new(&owner, &new).make(&store).await.unwrap());
    let back = Change::new(&owner, &owner.index).after(1);
    assert!(back.make(&store).await.unwrap());
    assert!(find(&store, &owner.index).await.is_some());
    assert_eq!(find(&store, &new).await, None);
    assert!(is_reserved(&store, &new, START).await);
    assert!(!is_reserved(&store, &owner.index, START).await);
}

pub async fn a_change_that_is_taken_back_sets_the_new_identifier_free(store: Store) {
    let owner = somebody(&store).await;
    let (second, third) = (index_keys(), index_keys());
    assert!(Change::new(&owner, &second).make(&store).await.unwrap());
    assert!(
        Change::new(&owner, &third)
            .after(1)
            .make(&store)
            .await
            .unwrap()
    );
    let undo = Change::new(&owner, &owner.index).after(2);
    assert!(undo.undo(&store).await.unwrap());
    let found = find(&store, &owner.index).await.expect("it is back");
    assert_eq!(found.account.id, owner.record.account.id);
    assert_eq!(find(&store, &third).await, None);
    assert!(!is_reserved(&store, &third, START).await);
    try_to_register(&store, &third, START).await.unwrap();
}

pub async fn a_taken_identifier_is_a_conflict_that_undoes_the_unit(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let taken = Change::new(&owner, &other.index).make(&store).await;
    assert!(is_taken(&taken), "{taken:?}");
    // One shared row is a conflict; rows written before it are rolled back too, even if the caller tries to commit.
    let mut shared = index_keys();
    shared.entries.push(index_entry("index-0"));
    shared.entries.extend(other.index.entries.clone());
    let change = Change::new(&owner, &shared);
    let mut unit = store.begin().await.expect("a unit");
    let answer = unit.accounts().change_identifier(change.swap()).await;
    assert!(is_taken(&answer), "{answer:?}");
    unit.commit().await.expect_err("a half is not committed");
    assert_eq!(find(&store, &owner.index).await, Some(owner.record.clone()));
    assert!(find(&store, &other.index).await.is_some());
}

pub async fn of_changes_and_registrations_of_one_identifier_at_once_one_wins(store: Store) {
    for _ in 0..ROUNDS {
        let wanted = index_keys();
        let mut people = Vec::new();
        for _ in 0..10 {
            people.push(somebody(&store).await);
        }
        let answers = at_once(20, |number| {
            let (store, wanted) = (store.clone(), wanted.clone());
            let person = people.get(number).cloned();
            async move {
                match person {
                    Some(person) => Change::new(&person, &wanted).make(&store).await,
                    None => try_to_register(&store, &wanted, START).await.map(|_| true),
                }
            }
        })
        .await;
        let won = answers.iter().filter(|it| matches!(it, Ok(true))).count();
        assert_eq!(won, 1, "{answers:?}");
        assert!(
            answers
                .iter()
                .all(|it| matches!(it, Ok(true)) || is_taken(it)),
            "{answers:?}"
        );
        assert!(find(&store, &wanted).await.is_some());
    }
}

pub async fn of_many_changes_of_one_account_at_once_one_wins(store: Store) {
    for _ in 0..ROUNDS {
        let owner = somebody(&store).await;
        let wanted: Vec<IndexKeys> = (0..20).map(|_| index_keys()).collect();
        let answers = at_once(20, |number| {
            let (store, owner, new) = (store.clone(), owner.clone(), wanted[number].clone());
            async move { Change::new(&owner, &new).make(&store).await.unwrap() }
        })
        .await;
        let mut found = 0;
        for new in &wanted {
            found += usize::from(find(&store, new).await.is_some());
        }
        assert_eq!(wins(&answers), 1);
        assert_eq!(found, 1, "exactly one identifier at any time");
        assert_eq!(find(&store, &owner.index).await, None);
    }
}

pub async fn a_reserved_row_is_no_index_row_of_the_account(store: Store) {
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    let later_key = "index-2";
    let before = [(account, index_entry(later_key))];
    in_unit!(store, rekeying.add_index_entries(&before)).unwrap();
    // Changed by a node that does not know the later key yet.
    let new = index_keys();
    assert!(Change::new(&owner, &new).make(&store).await.unwrap());
    let batch = whole_batch();
    let unindexed = in_unit!(store, rekeying.lock_unindexed(later_key, batch)).unwrap();
    assert_eq!(unindexed.len(), 1, "the new identifier has no row under it");
    // And back: the existing row under the later key counts again.
    let back = Change::new(&owner, &owner.index).after(1);
    assert!(back.undo(&store).await.unwrap());
    let added = in_unit!(store, rekeying.add_index_entries(&before)).unwrap();
    assert_eq!(added.added, 1);
    let unindexed = in_unit!(store, rekeying.lock_unindexed(later_key, batch)).unwrap();
    assert_eq!(unindexed.len(), 0);
}

pub async fn a_locked_password_is_none_until_it_is_set_anew(store: Store) {
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    assert!(in_unit!(store, accounts.lock_password(account, 1, START)).unwrap());
    let read = sign_in_record(&store, &owner.index).await;
    assert_eq!(read.password, None);
    assert_eq!(
        read.account.expect("the account is there").account.version,
        2
    );
    let (_, password) = store.credentials_of(account).await.unwrap().unwrap();
    assert_eq!(password, None);
    let stale = in_unit!(store, accounts.lock_password(account, 1, START)).unwrap();
    assert!(!stale);
    let next = password_hash();
    assert!(in_unit!(store, accounts.set_password(account, 2, &next, None, START)).unwrap());
    assert_eq!(
        sign_in_record(&store, &owner.index).await.password,
        Some(next)
    );
}

pub async fn a_sign_in_judged_before_the_lock_begins_no_session(store: Store) {
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    assert!(in_unit!(store, accounts.lock_password(account, 1, START)).unwrap());
    let session = new_session(account);
    let refused = in_unit!(store, sessions.begin(&session, 50));
    assert!(matches!(refused, Err(StoreError::Retryable)), "{refused:?}");
    let judged_after = NewSession {
        account_version: 2,
        ..new_session(account)
    };
    begin_session(&store, &judged_after).await;
}

pub async fn when_a_number_was_proven_is_told(store: Store) {
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    let proven_at = || async { store.identifier_proven_at(account).await.unwrap() };
    assert_eq!(proven_at().await, Some(START), "with the account");
    let later = START + Duration::days(9);
    in_unit!(store, accounts.note_identifier_proven(account, later)).unwrap();
    assert_eq!(proven_at().await, Some(later));
    assert_eq!(
        find(&store, &owner.index).await,
        Some(owner.record.clone()),
        "it is no change"
    );
    let even_later = later + Duration::DAY;
    let new = index_keys();
    assert!(
        Change::new(&owner, &new)
            .at(even_later)
            .make(&store)
            .await
            .unwrap()
    );
    assert_eq!(proven_at().await, Some(even_later));
    assert_eq!(store.identifier_proven_at(id()).await.unwrap(), None);
}
