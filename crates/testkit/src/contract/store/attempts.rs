//! Counters of failures and of guesses.

use authentication_app::ports::{
    Cleared, FailureScope, NewAccount, SignInQuestion, Subject, TriesScope,
};
use authentication_domain::{
    challenges::Purpose,
    protection::{AttemptCounter, LockoutRules},
    sessions::DeviceId,
};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{MANY, begin, sign_in_record, somebody},
};
use crate::{
    SeededRandom,
    builders::{id, index_keys, sign_in_question, subject},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const NO_DEVICE: Option<DeviceId> = None;

fn rules() -> LockoutRules {
    LockoutRules::default()
}

fn scope(subject: Subject, device: Option<DeviceId>) -> FailureScope {
    FailureScope { subject, device }
}

async fn fail(store: &Store, scope: FailureScope, now: OffsetDateTime) -> Option<AttemptCounter> {
    in_unit!(store, attempts.record_failure(scope, rules(), now)).expect("a failure is counted")
}

async fn clear(store: &Store, scope: FailureScope, now: OffsetDateTime) -> bool {
    clear_as(store, scope, Cleared::Own, now).await
}

async fn clear_as(
    store: &Store,
    scope: FailureScope,
    cleared: Cleared,
    now: OffsetDateTime,
) -> bool {
    in_unit!(store, attempts.clear_failures(scope, cleared, rules(), now))
        .expect("a success is noted")
}

/// Locks a scope at [`START`].
async fn lock(store: &Store, scope: FailureScope) -> AttemptCounter {
    for _ in 1..rules().failures {
        fail(store, scope, START).await;
    }
    let last = fail(store, scope, START).await.expect("not locked before");
    assert!(last.locked_for(START).is_some());
    last
}

pub async fn failures_are_counted_as_the_domain_says(store: Store) {
    let rules = rules();
    let edge = rules.window;
    let steps = [
        Duration::ZERO,
        Duration::MICROSECOND,
        Duration::SECOND,
        edge / 3,
        edge - Duration::MICROSECOND,
        edge,
        edge + Duration::MICROSECOND,
    ];
    let random = SeededRandom::new(5);
    for _ in 0..10 {
        let index = index_keys();
        let scope = scope(index.subject, NO_DEVICE);
        let (mut now, mut expected) = (START, None::<AttemptCounter>);
        for step in 0..15 {
            // Mostly close together, or five failures would never fall into one window.
            now += if random.next_u64().is_multiple_of(3) {
                *random.pick(&steps)
            } else {
                Duration::SECOND
            };
            let locked = expected.is_some_and(|counter| counter.locked_for(now).is_some());
            let answer = fail(&store, scope, now).await;
            if locked {
                assert_eq!(answer, None, "step {step}");
            } else {
                expected = Some(rules.after_failure(expected, now));
                assert_eq!(answer, expected, "step {step}");
            }
            assert_eq!(
                sign_in_record(&store, &index).await.failures,
                expected,
                "step {step}"
            );
        }
    }
}

pub async fn a_locked_scope_counts_nothing(store: Store) {
    let index = index_keys();
    let scope = scope(index.subject, NO_DEVICE);
    let locked = lock(&store, scope).await;
    let until = START + rules().window;
    assert_eq!(locked.locked_until, Some(until));
    for now in [START, until - Duration::MICROSECOND] {
        assert_eq!(fail(&store, scope, now).await, None);
        assert_eq!(sign_in_record(&store, &index).await.failures, Some(locked));
    }
    let afresh = fail(&store, scope, until)
        .await
        .expect("the lock was served");
    assert_eq!(
        (afresh.failures, afresh.since, afresh.locked_until),
        (1, until, None)
    );
}

/// So that a stranger's failures never lock out the owner on a known device.
pub async fn failures_of_known_devices_are_counted_apart(store: Store) {
    let owner = somebody(&store).await;
    let (phone, laptop) = (id(), id());
    for device in [phone, laptop] {
        let account = owner.record.account.id;
        in_unit!(store, devices.remember(account, device, MANY, START)).unwrap();
    }
    let subject = owner.index.subject;
    let strangers = lock(&store, scope(subject, NO_DEVICE)).await;
    let own = fail(&store, scope(subject, Some(phone)), START).await;
    assert_eq!(own.map(|counter| counter.failures), Some(1));
    let elsewhere = fail(&store, scope(index_keys().subject, NO_DEVICE), START).await;
    assert_eq!(elsewhere.map(|counter| counter.failures), Some(1));

    let seen_from = async |device| {
        let record = store
            .sign_in_record(sign_in_question(&owner.index, device))
            .await
            .expect("the store answers");
        (record.failures, record.device_failures)
    };
    assert_eq!(seen_from(Some(phone)).await, (Some(strangers), own));
    assert_eq!(seen_from(Some(laptop)).await, (Some(strangers), None));
    assert_eq!(seen_from(None).await, (Some(strangers), None));
}

/// So that the response to a locked-out caller takes no longer if the identifier has an account.
pub async fn whoever_is_locked_out_has_no_account_read(store: Store) {
    let owner = somebody(&store).await;
    let (account, phone) = (owner.record.account.id, id());
    in_unit!(store, devices.remember(account, phone, MANY, START)).unwrap();
    let until = START + rules().window;
    let read_at = async |device, spared_when_locked_at| {
        let question = SignInQuestion {
            spared_when_locked_at,
            ..sign_in_question(&owner.index, device)
        };
        let record = store.sign_in_record(question).await;
        let record = record.expect("the store answers");
        assert_eq!(record.owner, Some(account));
        assert_eq!(record.account.is_some(), record.password.is_some());
        record.account
    };
    let whole = Some(owner.record.clone());
    assert_eq!(read_at(None, Some(START)).await, whole, "nothing is locked");
    lock(&store, scope(owner.index.subject, NO_DEVICE)).await;
    let just_before = until - Duration::MICROSECOND;
    for (device, spared_at, expected) in [
        (None, Some(just_before), &None),
        (Some(id()), Some(just_before), &None),
        (None, Some(until), &whole),
        (None, None, &whole),
        (Some(phone), Some(just_before), &whole),
    ] {
        assert_eq!(
            &read_at(device, spared_at).await,
            expected,
            "{device:?} {spared_at:?}"
        );
    }
}

pub async fn fifty_failures_at_once_lock_at_the_fifth(store: Store) {
    for _ in 0..ROUNDS {
        let index = index_keys();
        let scope = scope(index.subject, NO_DEVICE);
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { fail(&store, scope, START).await }
        })
        .await;
        let mut counted: Vec<_> = answers.into_iter().flatten().collect();
        counted.sort_by_key(|counter| counter.failures);
        let failures: Vec<_> = counted.iter().map(|counter| counter.failures).collect();
        assert_eq!(failures, [1, 2, 3, 4, 5]);
        let locking = counted
            .iter()
            .filter(|counter| counter.locked_until.is_some());
        assert_eq!(locking.count(), 1, "the fifth locks, and it alone says so");
        assert_eq!(
            sign_in_record(&store, &index).await.failures.as_ref(),
            counted.last()
        );
    }
}

pub async fn a_success_forgets_the_failures_of_its_scope(store: Store) {
    let owner = somebody(&store).await;
    let subject = owner.index.subject;
    let device = Some(id());
    let (unknown, known) = (scope(subject, NO_DEVICE), scope(subject, device));
    assert!(clear(&store, unknown, START).await, "nothing to forget");
    for _ in 0..4 {
        fail(&store, unknown, START).await;
        fail(&store, known, START).await;
    }
    assert!(clear(&store, known, START).await);
    assert_eq!(
        fail(&store, known, START)
            .await
            .map(|counter| counter.failures),
        Some(1)
    );
    let left = fail(&store, unknown, START)
        .await
        .map(|counter| counter.failures);
    assert_eq!(left, Some(5), "the other scope is as it was");
}

pub async fn a_locked_scope_is_not_cleared(store: Store) {
    let index = index_keys();
    let scope = scope(index.subject, NO_DEVICE);
    let locked = lock(&store, scope).await;
    let until = START + rules().window;
    for now in [START, until - Duration::MICROSECOND] {
        assert!(!clear(&store, scope, now).await);
        assert_eq!(sign_in_record(&store, &index).await.failures, Some(locked));
    }
    assert!(clear(&store, scope, until).await, "the lock was served");
    assert_eq!(sign_in_record(&store, &index).await.failures, None);
}

/// A correct password concurrent with the failure that locks: either it was first, and one failure is left,
/// or it was refused, and the lock holds.
pub async fn a_success_and_a_lock_at_once_leave_no_lock_forgotten(store: Store) {
    for _ in 0..4 * ROUNDS {
        let index = index_keys();
        let scope = scope(index.subject, NO_DEVICE);
        for _ in 1..rules().failures {
            fail(&store, scope, START).await;
        }
        let answers = crate::race::at_once(2, |number| {
            let store = store.clone();
            async move {
                match number {
                    0 => clear(&store, scope, START).await,
                    _ => fail(&store, scope, START)
                        .await
                        .is_some_and(|it| it.failures == 5),
                }
            }
        })
        .await;
        let left = sign_in_record(&store, &index).await.failures;
        let locked = left.is_some_and(|counter| counter.locked_for(START).is_some());
        match answers[..] {
            [true, false] => assert_eq!(left.map(|counter| counter.failures), Some(1)),
            [false, true] => assert!(locked, "{left:?}"),
            _ => panic!("both or none succeeded: {answers:?}"),
        }
    }
}

pub async fn forgetting_a_subject_opens_every_scope_of_it(store: Store) {
    let owner: NewAccount = somebody(&store).await;
    let subject = owner.index.subject;
    let own = [
        scope(subject, NO_DEVICE),
        scope(subject, Some(id())),
        scope(subject, Some(id())),
    ];
    let other = scope(index_keys().subject, NO_DEVICE);
    for scope in own.into_iter().chain([other]) {
        lock(&store, scope).await;
    }
    in_unit!(store, attempts.forget_subject(subject)).unwrap();
    assert_eq!(sign_in_record(&store, &owner.index).await.failures, None);
    for scope in own {
        assert_eq!(
            fail(&store, scope, START)
                .await
                .map(|counter| counter.failures),
            Some(1)
        );
    }
    assert_eq!(
        fail(&store, other, START).await,
        None,
        "another's lock holds"
    );
    in_unit!(store, attempts.forget_subject(index_keys().subject)).unwrap();
}

fn tries(purpose: Purpose) -> TriesScope {
    TriesScope {
        subject: subject(),
        purpose,
        device: None,
    }
}

const WINDOW: Duration = Duration::hours(1);

async fn guess(store: &Store, scope: TriesScope, most: u32, now: OffsetDateTime) -> Option<u32> {
    in_unit!(store, attempts.count_try(scope, most, WINDOW, now)).expect("a guess is counted")
}

pub async fn guesses_are_counted_up_to_the_limit_of_the_window(store: Store) {
    let scope = tries(Purpose::SignIn);
    for count in 1..=15 {
        assert_eq!(guess(&store, scope, 15, START).await, Some(count));
    }
    for now in [START, START + WINDOW - Duration::MICROSECOND] {
        assert_eq!(guess(&store, scope, 15, now).await, None);
    }
    assert_eq!(
        guess(&store, scope, 15, START + WINDOW).await,
        Some(1),
        "a new window"
    );
}

pub async fn guesses_are_counted_apart_by_recipient_purpose_and_device(store: Store) {
    let scope = tries(Purpose::SignIn);
    let others = [
        TriesScope {
            subject: subject(),
            ..scope
        },
        TriesScope {
            purpose: Purpose::PasswordReset,
            ..scope
        },
        TriesScope {
            device: Some(id()),
            ..scope
        },
        TriesScope {
            device: Some(id()),
            ..scope
        },
    ];
    assert_eq!(guess(&store, scope, 1, START).await, Some(1));
    for other in others {
        assert_eq!(guess(&store, other, 1, START).await, Some(1));
        assert_eq!(guess(&store, other, 1, START).await, None);
    }
}

pub async fn exactly_the_allowed_guesses_of_fifty_at_once_count(store: Store) {
    let scope = tries(Purpose::SignIn);
    for round in 0..ROUNDS {
        let now = START + WINDOW * u32::try_from(round).unwrap();
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { guess(&store, scope, 15, now).await }
        })
        .await;
        let mut counted: Vec<_> = answers.into_iter().flatten().collect();
        counted.sort_unstable();
        assert_eq!(counted, (1..=15).collect::<Vec<_>>());
    }
}

pub async fn what_is_not_committed_is_not_counted(store: Store) {
    let index = index_keys();
    let failures = scope(index.subject, NO_DEVICE);
    let guesses = tries(Purpose::SignIn);
    let mut unit = begin(&store).await;
    let counted = unit
        .attempts()
        .record_failure(failures, rules(), START)
        .await;
    assert!(counted.unwrap().is_some());
    assert_eq!(
        unit.attempts()
            .count_try(guesses, 15, WINDOW, START)
            .await
            .unwrap(),
        Some(1)
    );
    drop(unit);
    assert_eq!(sign_in_record(&store, &index).await.failures, None);
    assert_eq!(guess(&store, guesses, 15, START).await, Some(1));
}
