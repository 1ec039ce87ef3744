//! Users imported from another system.

use authentication_app::ports::{
    ImportClaim, ImportedUser, NewAccount, NewFederatedIdentity, NewImport, StoreError, UniqueRule,
};
use authentication_domain::{accounts::LegacyId, federation::ProviderName};
use common::random::bytes;

use super::{
    Store,
    support::{begin, sign_in_record, somebody},
};
use crate::{
    builders::{
        RANDOM, federation_question, index_keys, index_keys_amid_rotation, new_account,
        new_identity,
    },
    clock::START,
    race::{ROUNDS, at_once, fifty_at_once},
};

use ImportClaim::{IdKnown, IdentifierTaken, IdentityTaken, Inserted};

/// A user who is not imported yet.
pub fn newcomer() -> NewImport {
    let number: [u8; 4] = bytes(&RANDOM);
    NewImport {
        legacy_id: LegacyId::from(u64::from(u32::from_le_bytes(number))),
        fingerprint: bytes(&RANDOM),
        account: new_account(),
        identities: Vec::new(),
    }
}

/// A new user with these identities at different providers.
fn newcomer_with(identities: &[[u8; 32]]) -> NewImport {
    let user = newcomer();
    let account = user.account.record.account.id;
    let names = [
        ProviderName::GOOGLE,
        ProviderName::parse("entra").expect("a name"),
    ];
    let identities = identities
        .iter()
        .zip(names)
        .map(|(digest, provider)| NewFederatedIdentity {
            provider,
            digest: *digest,
            ..new_identity(account)
        });
    NewImport {
        identities: identities.collect(),
        ..user
    }
}

fn remembered(user: &NewImport) -> ImportedUser {
    ImportedUser {
        account: user.account.record.account.id,
        fingerprint: user.fingerprint,
    }
}

async fn import(store: &Store, users: &[NewImport]) -> Vec<ImportClaim> {
    in_unit!(store, imports.insert(users, START)).expect("people are imported")
}

async fn find(store: &Store, user: &NewImport) -> Option<ImportedUser> {
    let ids = [user.legacy_id.clone()];
    let found = store.find_imported(&ids).await.expect("the store answers");
    found.get(&user.legacy_id).copied()
}

/// Asserts that `user` was imported completely and signs in with their identifier.
async fn assert_is_here(store: &Store, user: &NewImport) {
    let found = sign_in_record(store, &user.account.index).await;
    assert_eq!(found.account.as_ref(), Some(&user.account.record));
    assert_eq!(found.password, user.account.password);
    assert_eq!(find(store, user).await, Some(remembered(user)));
}

async fn assert_is_not_here(store: &Store, user: &NewImport) {
    let account = user.account.record.account.id;
    assert!(store.credentials_of(account).await.unwrap().is_none());
    let remembered = find(store, user).await;
    assert_ne!(remembered.map(|it| it.account), Some(account));
}

pub async fn people_are_imported_with_all_that_belongs_to_them(store: Store) {
    let mut users = [newcomer(), newcomer(), newcomer()];
    users[1].account.password = None;
    users[2].account.index = index_keys_amid_rotation();
    assert_eq!(import(&store, &users).await, [Inserted; 3]);
    for user in &users {
        assert_is_here(&store, user).await;
    }
    let ids = users.each_ref().map(|user| user.legacy_id.clone());
    assert_eq!(store.find_imported(&ids).await.unwrap().len(), 3);
}

pub async fn nobody_to_import_is_no_error(store: Store) {
    assert_eq!(import(&store, &[]).await, []);
    assert!(store.find_imported(&[]).await.unwrap().is_empty());
    assert_eq!(find(&store, &newcomer()).await, None);
}

pub async fn whoever_was_imported_is_left_alone(store: Store) {
    let first = newcomer();
    import(&store, std::slice::from_ref(&first)).await;
    let again = NewImport {
        legacy_id: first.legacy_id.clone(),
        ..newcomer()
    };
    let other = newcomer();
    let claims = import(&store, &[again.clone(), other.clone()]).await;
    assert_eq!(claims, [IdKnown, Inserted]);
    assert_is_here(&store, &first).await;
    assert_is_not_here(&store, &again).await;
    assert_is_here(&store, &other).await;
    assert!(
        sign_in_record(&store, &again.account.index)
            .await
            .account
            .is_none()
    );
}

pub async fn a_taken_identifier_keeps_one_person_out_and_no_other(store: Store) {
    let owner = somebody(&store).await;
    let mut users = [newcomer(), newcomer(), newcomer()];
    users[1].account.index = owner.index.clone();
    assert_eq!(
        import(&store, &users).await,
        [Inserted, IdentifierTaken, Inserted]
    );
    assert_is_here(&store, &users[0]).await;
    assert_is_not_here(&store, &users[1]).await;
    assert_is_here(&store, &users[2]).await;
    let found = sign_in_record(&store, &owner.index).await.account;
    assert_eq!(found, Some(owner.record));
    // The same row can be imported again with a free identifier.
    users[1].account.index = index_keys();
    assert_eq!(import(&store, &users[1..2]).await, [Inserted]);
    assert_is_here(&store, &users[1]).await;
}

pub async fn one_shared_index_entry_keeps_a_person_out(store: Store) {
    let owner = somebody(&store).await;
    let mut user = newcomer();
    user.account.index = index_keys_amid_rotation();
    user.account.index.entries[1] = owner.index.entries[0].clone();
    let claims = import(&store, std::slice::from_ref(&user)).await;
    assert_eq!(claims, [IdentifierTaken]);
    assert_is_not_here(&store, &user).await;
    // The other index entry, which was free, stays free.
    let account = NewAccount {
        index: user.account.index.clone(),
        ..new_account()
    };
    let mut free = account;
    free.index.entries.truncate(1);
    in_unit!(store, accounts.insert(&free)).expect("nobody has the identifier");
}

pub async fn of_two_with_one_identifier_the_first_is_imported(store: Store) {
    for index in [index_keys(), index_keys_amid_rotation()] {
        let mut users = [newcomer(), newcomer(), newcomer()];
        users[0].account.index = index.clone();
        users[2].account.index = index;
        assert_eq!(
            import(&store, &users).await,
            [Inserted, Inserted, IdentifierTaken]
        );
        assert_is_here(&store, &users[0]).await;
        assert_is_not_here(&store, &users[2]).await;
    }
}

pub async fn an_identity_comes_over_with_its_owner_and_opens_one_account(store: Store) {
    let digests: [[u8; 32]; 4] = std::array::from_fn(|_| bytes(&RANDOM));
    let [google, entra, taken, free] = digests;
    let owner = somebody(&store).await.record.account.id;
    let linked = NewFederatedIdentity {
        digest: taken,
        ..new_identity(owner)
    };
    in_unit!(store, federation.link(&linked)).expect("nobody has it");
    let mut users = [
        newcomer_with(&[google, entra]),
        newcomer_with(&[google]),
        newcomer_with(&[free, taken]),
        newcomer(),
        newcomer_with(&[free]),
    ];
    assert_eq!(
        import(&store, &users).await,
        [Inserted, IdentityTaken, IdentityTaken, Inserted, Inserted]
    );
    assert_is_here(&store, &users[0]).await;
    for refused in &users[1..3] {
        assert_is_not_here(&store, refused).await;
    }
    let opened_by = async |digest: [u8; 32]| {
        let keys = index_keys();
        let question = federation_question(digest, &keys);
        let found = store.federation_record(question).await.expect("an answer");
        found.owner.map(|owner| owner.account.id)
    };
    for (digest, number) in [(google, 0), (entra, 0), (free, 4)] {
        let account = users[number].account.record.account.id;
        assert_eq!(opened_by(digest).await, Some(account));
    }
    assert_eq!(opened_by(taken).await, Some(owner));
    // The same row can be imported again without the identity.
    users[1].identities.clear();
    assert_eq!(import(&store, &users[1..2]).await, [Inserted]);
}

pub async fn of_two_with_one_legacy_id_the_first_is_imported(store: Store) {
    let first = newcomer();
    let second = NewImport {
        legacy_id: first.legacy_id.clone(),
        ..newcomer()
    };
    let claims = import(&store, &[first.clone(), second.clone()]).await;
    assert_eq!(claims, [Inserted, IdKnown]);
    assert_is_here(&store, &first).await;
    assert_is_not_here(&store, &second).await;
}

pub async fn an_import_that_is_not_committed_leaves_nothing(store: Store) {
    let users = [newcomer(), newcomer()];
    let mut unit = begin(&store).await;
    let claims = unit.imports().insert(&users, START).await.unwrap();
    assert_eq!(claims, [Inserted; 2]);
    drop(unit);
    for user in &users {
        assert_is_not_here(&store, user).await;
    }
    assert_eq!(import(&store, &users).await, [Inserted; 2]);
}

pub async fn of_many_imports_of_one_file_at_once_each_person_is_imported_once(store: Store) {
    const PEOPLE: usize = 20;
    for _ in 0..ROUNDS {
        let ids: Vec<LegacyId> = (0..PEOPLE).map(|_| newcomer().legacy_id).collect();
        let identifiers: Vec<_> = (0..PEOPLE).map(|_| index_keys()).collect();
        let answers = at_once(8, |number| {
            let mut users: Vec<NewImport> = ids
                .iter()
                .zip(&identifiers)
                .map(|(id, index)| {
                    let mut user = newcomer();
                    user.legacy_id = id.clone();
                    user.account.index = index.clone();
                    user
                })
                .collect();
            // Each in another order: claims must not deadlock.
            users.rotate_left(number * 2);
            let store = store.clone();
            async move { import(&store, &users).await }
        })
        .await;
        let claims: Vec<ImportClaim> = answers.into_iter().flatten().collect();
        let inserted = claims.iter().filter(|claim| **claim == Inserted).count();
        assert_eq!(inserted, PEOPLE);
        assert!(!claims.contains(&IdentifierTaken), "{claims:?}");
        assert_eq!(store.find_imported(&ids).await.unwrap().len(), PEOPLE);
    }
}

pub async fn an_import_and_registrations_at_once_leave_one_account(store: Store) {
    for _ in 0..ROUNDS {
        let index = index_keys();
        let won = fifty_at_once(|number| {
            let (store, index) = (store.clone(), index.clone());
            async move {
                if number % 2 == 0 {
                    let mut users = [newcomer(), newcomer()];
                    users[0].account.index = index;
                    let claims = import(&store, &users).await;
                    assert_eq!(claims[1], Inserted);
                    return claims[0] == Inserted;
                }
                let account = NewAccount {
                    index,
                    ..new_account()
                };
                match in_unit!(store, accounts.insert(&account)) {
                    Ok(()) => true,
                    Err(StoreError::Conflict(UniqueRule::Identifier)) => false,
                    Err(other) => panic!("{other:?}"),
                }
            }
        })
        .await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        assert!(sign_in_record(&store, &index).await.account.is_some());
    }
}
