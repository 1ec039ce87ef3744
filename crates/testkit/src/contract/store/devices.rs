//! Devices that people signed in from.

use authentication_app::ports::NewAccount;
use authentication_domain::sessions::DeviceId;
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{MANY, sign_in, somebody},
};
use crate::{
    builders::{id, index_keys, sign_in_question},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

async fn remember(
    store: &Store,
    of: &NewAccount,
    device: DeviceId,
    most: u32,
    now: OffsetDateTime,
) {
    let account = of.record.account.id;
    in_unit!(store, devices.remember(account, device, most, now)).expect("a device is noted");
}

async fn is_known(store: &Store, of: &NewAccount, device: DeviceId) -> bool {
    let record = store
        .sign_in_record(sign_in_question(&of.index, Some(device)))
        .await;
    let found = record.expect("the store answers").device;
    assert!(
        found.is_none_or(|found| found == device),
        "another device: {found:?}"
    );
    found.is_some()
}

pub async fn a_device_is_known_to_its_account_alone(store: Store) {
    let (owner, stranger) = (somebody(&store).await, somebody(&store).await);
    let device = id();
    assert!(!is_known(&store, &owner, device).await);
    remember(&store, &owner, device, MANY, START).await;
    assert!(is_known(&store, &owner, device).await);
    assert!(!is_known(&store, &owner, id()).await);
    assert!(!is_known(&store, &stranger, device).await);
    let unknown = index_keys();
    let nobody = store
        .sign_in_record(sign_in_question(&unknown, Some(device)))
        .await;
    assert_eq!(nobody.expect("the store answers").device, None);
    let not_asked = store
        .sign_in_record(sign_in_question(&owner.index, None))
        .await;
    assert_eq!(not_asked.expect("the store answers").device, None);
}

pub async fn devices_are_listed_by_their_last_use_with_the_sessions_own(store: Store) {
    let (owner, stranger) = (somebody(&store).await, somebody(&store).await);
    let account = owner.record.account.id;
    let session = sign_in(&store, account).await;
    let theirs = sign_in(&store, stranger.record.account.id).await;
    let (first, second) = (session.device, id());
    let later = START + Duration::HOUR;
    remember(&store, &owner, first, MANY, START).await;
    remember(&store, &owner, second, MANY, later).await;
    remember(&store, &stranger, theirs.device, MANY, later).await;
    let (devices, current) = store.list_devices(account, session.id).await.unwrap();
    let used: Vec<_> = devices
        .iter()
        .map(|it| (it.device, it.last_used_at))
        .collect();
    assert_eq!(used, [(second, later), (first, START)]);
    assert!(devices.iter().all(|it| it.created_at == it.last_used_at));
    assert_eq!(current, Some(first));
    let (_, of_another) = store.list_devices(account, theirs.id).await.unwrap();
    assert_eq!(of_another, None, "a session of somebody else tells nothing");
    let (nothing, _) = store.list_devices(id(), session.id).await.unwrap();
    assert_eq!(nothing, []);
}

pub async fn a_device_is_forgotten_by_its_own_account_alone(store: Store) {
    let (owner, stranger) = (somebody(&store).await, somebody(&store).await);
    let (device, other) = (id(), id());
    remember(&store, &owner, device, MANY, START).await;
    remember(&store, &owner, other, MANY, START).await;
    let forget = |account, device| {
        let store = store.clone();
        async move { in_unit!(store, devices.forget(account, device)).expect("the store answers") }
    };
    assert!(!forget(stranger.record.account.id, device).await);
    assert!(is_known(&store, &owner, device).await);
    assert!(forget(owner.record.account.id, device).await);
    assert!(!forget(owner.record.account.id, device).await);
    assert!(!is_known(&store, &owner, device).await);
    assert!(is_known(&store, &owner, other).await);
}

pub async fn the_device_not_used_for_longest_is_forgotten(store: Store) {
    let owner = somebody(&store).await;
    let [first, second, third, fourth] = [id(), id(), id(), id()];
    let uses = [first, second, third, first, second, fourth, fourth];
    for (minute, device) in (0..).zip(uses) {
        remember(&store, &owner, device, 3, START + Duration::minutes(minute)).await;
    }
    for (device, known) in [
        (first, true),
        (second, true),
        (third, false),
        (fourth, true),
    ] {
        assert_eq!(is_known(&store, &owner, device).await, known);
    }
    // If the limit is now lower than the number of devices, the next new one makes room.
    let fifth = id();
    remember(&store, &owner, fifth, 2, START + Duration::hours(1)).await;
    let expected = [
        (first, false),
        (second, false),
        (fourth, true),
        (fifth, true),
    ];
    for (device, known) in expected {
        assert_eq!(is_known(&store, &owner, device).await, known);
    }
}

pub async fn devices_of_others_do_not_count(store: Store) {
    let (one, other) = (somebody(&store).await, somebody(&store).await);
    let (old, new) = (id(), id());
    let foreign = [id(), id(), id()];
    remember(&store, &one, old, 2, START).await;
    for device in foreign {
        remember(&store, &other, device, 3, START + Duration::MINUTE).await;
    }
    remember(&store, &one, new, 2, START + Duration::HOUR).await;
    for own in [old, new] {
        assert!(is_known(&store, &one, own).await);
    }
    for foreign in foreign {
        assert!(is_known(&store, &other, foreign).await);
    }
}

pub async fn all_devices_of_an_account_are_forgotten_and_no_others(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let (first, second, foreign) = (id(), id(), id());
    remember(&store, &owner, first, MANY, START).await;
    remember(&store, &owner, second, MANY, START).await;
    remember(&store, &other, foreign, MANY, START).await;
    let account = owner.record.account.id;
    in_unit!(store, devices.forget_all(account)).expect("devices are forgotten");
    assert!(!is_known(&store, &owner, first).await);
    assert!(!is_known(&store, &owner, second).await);
    assert!(is_known(&store, &other, foreign).await);
}

pub async fn fifty_devices_at_once_leave_no_more_than_allowed(store: Store) {
    for _ in 0..ROUNDS {
        let owner = somebody(&store).await;
        let devices = fifty_at_once(|_| {
            let (store, owner) = (store.clone(), owner.clone());
            async move {
                let device = id();
                remember(&store, &owner, device, 5, START).await;
                // The same device again, concurrently with the others.
                remember(&store, &owner, device, 5, START).await;
                device
            }
        })
        .await;
        let mut known = 0;
        for device in devices {
            known += usize::from(is_known(&store, &owner, device).await);
        }
        assert_eq!(known, 5);
    }
}
