//! Passkeys, and the ceremonies in which they are enrolled and used.

use authentication_app::ports::{
    CeremonyQuestion, CeremonyRecord, NewCeremony, PasskeyRecord, PasskeyUse, StoreError,
    UniqueRule,
};
use authentication_domain::{accounts::AccountId, passkeys::CeremonyPurpose};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    Store,
    support::{MANY, begin, somebody, wins},
};
use crate::{
    builders::{credential_digest, id, id_at, new_ceremony, passkey, passkey_use, sealed, uuid_at},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

async fn enrol(store: &Store, record: PasskeyRecord) -> PasskeyRecord {
    in_unit!(store, passkeys.insert(&record)).expect("a passkey is kept");
    record
}

async fn list(store: &Store, account: AccountId) -> Vec<PasskeyRecord> {
    let found = store.list_passkeys(account).await;
    found.expect("the store answers")
}

async fn keep(store: &Store, ceremony: NewCeremony) -> NewCeremony {
    in_unit!(store, passkeys.begin_ceremony(&ceremony)).expect("a ceremony is kept");
    ceremony
}

/// A question about a ceremony, asked by its holder at [`START`].
const fn question(ceremony: &NewCeremony) -> CeremonyQuestion {
    CeremonyQuestion {
        holder: ceremony.holder,
        purpose: ceremony.purpose,
        credential: None,
        device: None,
        now: START,
    }
}

async fn find(store: &Store, question: CeremonyQuestion) -> Option<CeremonyRecord> {
    let found = store.find_ceremony(question).await;
    found.expect("the store answers")
}

async fn consume(store: &Store, ceremony: &NewCeremony, id: Uuid, now: OffsetDateTime) -> bool {
    let NewCeremony {
        holder, purpose, ..
    } = *ceremony;
    in_unit!(store, passkeys.consume_ceremony(holder, purpose, id, now)).expect("it is, or not")
}

async fn note(store: &Store, used: &PasskeyUse) -> bool {
    in_unit!(store, passkeys.note_use(used)).expect("a use is noted or not")
}

pub async fn a_passkey_is_listed_as_it_was_kept(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let account = owner.record.account.id;
    assert_eq!(list(&store, account).await, []);
    let second = PasskeyRecord {
        id: id_at(START + Duration::SECOND),
        name: None,
        counter: u32::MAX,
        last_used_at: Some(START + Duration::HOUR),
        ..passkey(account)
    };
    let second = enrol(&store, second).await;
    let first = enrol(&store, passkey(account)).await;
    enrol(&store, passkey(other.record.account.id)).await;
    assert_eq!(list(&store, account).await, [first, second]);
}

pub async fn a_credential_is_one_accounts(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let kept = enrol(&store, passkey(owner.record.account.id)).await;
    for account in [owner.record.account.id, other.record.account.id] {
        let again = PasskeyRecord {
            digest: kept.digest,
            ..passkey(account)
        };
        let refused = in_unit!(store, passkeys.insert(&again));
        assert!(
            matches!(refused, Err(StoreError::Conflict(UniqueRule::Credential))),
            "{refused:?}"
        );
    }
    assert_eq!(list(&store, other.record.account.id).await, []);
    assert_eq!(list(&store, owner.record.account.id).await, [kept]);
}

pub async fn of_fifty_enrolments_of_one_credential_one_wins(store: Store) {
    let account = somebody(&store).await.record.account.id;
    for _ in 0..ROUNDS {
        let digest = credential_digest();
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let record = PasskeyRecord {
                digest,
                ..passkey(account)
            };
            async move { in_unit!(store, passkeys.insert(&record)).is_ok() }
        })
        .await;
        assert_eq!(wins(&answers), 1);
    }
    assert_eq!(list(&store, account).await.len(), ROUNDS);
}

pub async fn a_use_is_noted_on_the_counter_that_was_read(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let kept = enrol(&store, passkey(account)).await;
    let used = passkey_use(&kept);
    assert!(note(&store, &used).await);
    let after = PasskeyRecord {
        counter: used.counter,
        credential: used.credential.clone(),
        last_used_at: Some(used.at),
        ..kept.clone()
    };
    assert_eq!(list(&store, account).await, std::slice::from_ref(&after));
    assert!(!note(&store, &used).await, "the counter went on meanwhile");
    assert_eq!(list(&store, account).await, std::slice::from_ref(&after));
    // An authenticator without a counter, and a lagging clock.
    let still = PasskeyUse {
        counter: after.counter,
        at: START,
        ..passkey_use(&after)
    };
    assert!(note(&store, &still).await);
    assert!(note(&store, &still).await);
    let found = list(&store, account).await;
    assert_eq!(found[0].last_used_at, Some(used.at));
    let unknown = PasskeyUse { id: id(), ..still };
    assert!(!note(&store, &unknown).await);
}

pub async fn of_fifty_uses_with_one_counter_one_is_noted(store: Store) {
    let account = somebody(&store).await.record.account.id;
    for _ in 0..ROUNDS {
        let kept = enrol(&store, passkey(account)).await;
        let answers = fifty_at_once(|_| {
            let (store, used) = (store.clone(), passkey_use(&kept));
            async move { note(&store, &used).await }
        })
        .await;
        assert_eq!(wins(&answers), 1);
    }
}

pub async fn a_passkey_is_renamed_and_removed_by_its_owner_alone(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let (owner, other) = (owner.record.account.id, other.record.account.id);
    let kept = enrol(&store, passkey(owner)).await;
    let beside = enrol(&store, passkey(owner)).await;
    let name = sealed();
    for (account, passkey) in [(other, kept.id), (owner, id())] {
        assert!(!in_unit!(store, passkeys.rename(account, passkey, Some(&name))).unwrap());
        assert!(!in_unit!(store, passkeys.remove(account, passkey)).unwrap());
    }
    assert!(list(&store, owner).await.contains(&kept));
    assert!(in_unit!(store, passkeys.rename(owner, kept.id, Some(&name))).unwrap());
    let renamed = PasskeyRecord {
        name: Some(name),
        ..kept.clone()
    };
    assert!(list(&store, owner).await.contains(&renamed));
    assert!(in_unit!(store, passkeys.rename(owner, kept.id, None)).unwrap());
    assert!(in_unit!(store, passkeys.remove(owner, kept.id)).unwrap());
    assert!(!in_unit!(store, passkeys.remove(owner, kept.id)).unwrap());
    assert_eq!(list(&store, owner).await, [beside]);
    // The credential can be enrolled again.
    enrol(&store, kept).await;
}

pub async fn a_ceremony_is_found_as_it_was_kept(store: Store) {
    let owner = somebody(&store).await.record.account.id;
    for purpose in CeremonyPurpose::ALL {
        let nobodys = keep(&store, new_ceremony(purpose)).await;
        let somebodys = NewCeremony {
            account: Some(owner),
            ..new_ceremony(purpose)
        };
        let somebodys = keep(&store, somebodys).await;
        for kept in [nobodys, somebodys] {
            let found = find(&store, question(&kept)).await.expect("it is there");
            assert_eq!(found.id, kept.id);
            assert_eq!(found.account, kept.account);
            assert_eq!(found.state, kept.state);
            assert_eq!((found.passkey, found.owner), (None, None));
            assert_eq!(found.device, None);
        }
    }
}

pub async fn a_ceremony_is_shown_with_the_passkey_that_answers_and_its_owner(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let account = owner.record.account.id;
    let kept = enrol(&store, passkey(account)).await;
    enrol(&store, passkey(other.record.account.id)).await;
    let (own, foreign) = (id(), id());
    for (account, device) in [(account, own), (other.record.account.id, foreign)] {
        in_unit!(store, devices.remember(account, device, MANY, START)).unwrap();
    }
    let ceremony = keep(&store, new_ceremony(CeremonyPurpose::SignIn)).await;
    for (presented, shown) in [(Some(own), Some(own)), (Some(foreign), None), (None, None)] {
        let asked = CeremonyQuestion {
            credential: Some(kept.digest),
            device: presented,
            ..question(&ceremony)
        };
        let found = find(&store, asked).await.expect("it is there");
        assert_eq!(found.passkey.as_ref(), Some(&kept));
        assert_eq!(found.owner.as_ref().map(|it| it.account.id), Some(account));
        assert_eq!(found.device, shown);
    }
    let asked = CeremonyQuestion {
        credential: Some(credential_digest()),
        device: Some(own),
        ..question(&ceremony)
    };
    let found = find(&store, asked).await.expect("it is there");
    assert_eq!((found.passkey, found.owner), (None, None));
    assert_eq!(found.device, None);
}

pub async fn a_ceremony_is_over_when_it_was_used_or_expired(store: Store) {
    let ceremony = keep(&store, new_ceremony(CeremonyPurpose::SignIn)).await;
    let last_moment = ceremony.expires_at - Duration::MICROSECOND;
    for (now, live) in [(last_moment, true), (ceremony.expires_at, false)] {
        let asked = CeremonyQuestion {
            now,
            ..question(&ceremony)
        };
        assert_eq!(find(&store, asked).await.is_some(), live);
    }
    assert!(!consume(&store, &ceremony, ceremony.id, ceremony.expires_at).await);
    assert!(consume(&store, &ceremony, ceremony.id, last_moment).await);
    assert!(find(&store, question(&ceremony)).await.is_none());
    assert!(!consume(&store, &ceremony, ceremony.id, START).await);
}

pub async fn a_ceremony_is_its_holders_and_for_its_purpose(store: Store) {
    let ceremony = keep(&store, new_ceremony(CeremonyPurpose::SignIn)).await;
    let other = keep(&store, new_ceremony(CeremonyPurpose::SignIn)).await;
    for foreign in [
        NewCeremony {
            holder: other.holder,
            ..ceremony.clone()
        },
        NewCeremony {
            purpose: CeremonyPurpose::Enrolment,
            ..ceremony.clone()
        },
    ] {
        assert!(!consume(&store, &foreign, ceremony.id, START).await);
    }
    let asked = CeremonyQuestion {
        purpose: CeremonyPurpose::SecondFactor,
        ..question(&ceremony)
    };
    assert!(find(&store, asked).await.is_none());
    assert!(find(&store, question(&ceremony)).await.is_some());
}

pub async fn a_ceremony_is_over_when_its_holder_begins_another(store: Store) {
    let first = keep(&store, new_ceremony(CeremonyPurpose::Enrolment)).await;
    assert!(consume(&store, &first, first.id, START).await);
    let second = NewCeremony {
        holder: first.holder,
        ..new_ceremony(CeremonyPurpose::Enrolment)
    };
    let second = keep(&store, second).await;
    let found = find(&store, question(&first)).await.expect("the second is");
    assert_eq!((found.id, found.state), (second.id, second.state.clone()));
    assert!(!consume(&store, &second, first.id, START).await);
    assert!(!consume(&store, &second, uuid_at(START), START).await);
    assert!(consume(&store, &second, second.id, START).await);
}

/// T24: a ceremony is used up once.
pub async fn of_fifty_that_end_a_ceremony_one_does(store: Store) {
    for _ in 0..ROUNDS {
        let ceremony = keep(&store, new_ceremony(CeremonyPurpose::SignIn)).await;
        let answers = fifty_at_once(|_| {
            let (store, ceremony) = (store.clone(), ceremony.clone());
            async move { consume(&store, &ceremony, ceremony.id, START).await }
        })
        .await;
        assert_eq!(wins(&answers), 1);
    }
}

pub async fn what_ended_a_ceremony_and_is_not_committed_leaves_it_live(store: Store) {
    let ceremony = keep(&store, new_ceremony(CeremonyPurpose::SignIn)).await;
    let NewCeremony {
        holder,
        purpose,
        id,
        ..
    } = ceremony;
    let mut unit = begin(&store).await;
    let passkeys = unit.passkeys();
    let consumed = passkeys.consume_ceremony(holder, purpose, id, START).await;
    assert!(consumed.unwrap());
    drop(unit);
    assert!(find(&store, question(&ceremony)).await.is_some());
}

pub async fn a_purge_removes_ceremonies_that_expired_and_no_passkey(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let kept = enrol(&store, passkey(account)).await;
    let ceremony = keep(&store, new_ceremony(CeremonyPurpose::SignIn)).await;
    assert_eq!(store.purge_expired(ceremony.expires_at).await.unwrap(), 0);
    let later = START + Duration::days(400);
    assert_eq!(store.purge_expired(later).await.unwrap(), 1);
    assert!(find(&store, question(&ceremony)).await.is_none());
    assert_eq!(list(&store, account).await, [kept]);
}
