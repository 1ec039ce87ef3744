//! Proofs in existing sessions, and forgiven refreshes. The store decides each in one statement, as
//! [`Proofs::renewed`] and [`RotationRules::judge`] specify.

use authentication_app::ports::{ForgivenSession, NewSession, RotatedSession};
use authentication_domain::{
    accounts::AccountId,
    sessions::{Chain, DeviceId, EndReason, Forgiven, Rotation, RotationRules, SessionId},
};
use common::access::{AuthenticationMethod, Proofs, Renewal};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{begin_session, is_live, sign_in, snapshot, somebody},
};
use crate::{
    builders::{id, new_session},
    clock::START,
    race::{ROUNDS, fifty_at_once},
    random::SeededRandom,
};

const RULES: RotationRules = RotationRules {
    grace: Duration::seconds(10),
};

async fn prove(
    store: &Store,
    session: SessionId,
    account: AccountId,
    method: AuthenticationMethod,
    now: OffsetDateTime,
) -> Option<RotatedSession> {
    let renewal = Renewal::by(method);
    in_unit!(store, sessions.prove_again(session, account, renewal, now)).expect("it is or is not")
}

async fn successor(
    store: &Store,
    session: SessionId,
    presented: u32,
    now: OffsetDateTime,
) -> Option<u32> {
    let rotated = store.rotate(session, presented, RULES, now).await;
    rotated.expect("it rotates or not").map(|it| it.generation)
}

async fn forgive(
    store: &Store,
    session: SessionId,
    presented: u32,
    device: DeviceId,
    now: OffsetDateTime,
) -> Option<ForgivenSession> {
    in_unit!(
        store,
        sessions.forgive(session, presented, device, RULES, now)
    )
    .expect("it is forgiven or not")
}

async fn is_theft(store: &Store, session: SessionId, presented: u32, now: OffsetDateTime) -> bool {
    let ended = in_unit!(store, sessions.end_reused(session, presented, RULES, now));
    ended.expect("it ends or not").is_some()
}

/// A session on a device that its account knows.
async fn from_a_known_device(store: &Store, account: AccountId) -> NewSession {
    let session = new_session(account);
    let device = session.device;
    in_unit!(store, devices.remember(account, device, 20, START)).expect("a device is kept");
    begin_session(store, &session).await;
    session
}

pub async fn a_proof_renews_its_factors_as_the_domain_says(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let methods = AuthenticationMethod::ALL;
    let singles = methods.map(|first| Proofs::only(first, START));
    let pairs = methods.map(|first| {
        Proofs::only(first, START).and(AuthenticationMethod::Totp, START + Duration::SECOND)
    });
    for before in singles.into_iter().chain(pairs) {
        for method in methods {
            let session = NewSession {
                proofs: before,
                ..new_session(account)
            };
            begin_session(&store, &session).await;
            let mut expected = before;
            for (round, hours) in (1..).zip([1, 2]) {
                let now = START + Duration::hours(hours);
                let renewal = Renewal::by(method);
                expected = expected.renewed(renewal, now);
                let renewed = prove(&store, session.id, account, method, now).await;
                let renewed = renewed.expect("it is live");
                let case = format!("{before:?}, {method:?}");
                assert_eq!(renewed.proofs, expected, "{case}");
                assert_eq!(renewed.generation, round, "{case}");
                assert_eq!(renewed.idle_deadline, now + session.idle, "it is a use");
                let found = snapshot(&store, session.id, now).await.expect("it is live");
                assert_eq!((found.proofs, found.proven_generation), (expected, round));
            }
        }
    }
}

pub async fn a_session_is_proven_again_by_its_own_account_while_it_lives(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let session = sign_in(&store, account).await.id;
    let method = AuthenticationMethod::Password;
    let foreign = prove(&store, session, id(), method, START).await;
    assert!(foreign.is_none(), "it is somebody else's");
    let reason = EndReason::SignedOut;
    in_unit!(store, sessions.end(session, account, reason, START)).unwrap();
    let over = prove(&store, session, account, method, START).await;
    assert!(over.is_none(), "it is over");
}

async fn hold(
    store: &Store,
    session: SessionId,
    presented: u32,
    now: OffsetDateTime,
) -> Option<i64> {
    in_unit!(store, sessions.hold(session, presented, now)).expect("it is held or not")
}

pub async fn a_session_is_held_while_it_lives_and_no_proof_replaced_the_token(store: Store) {
    let account = somebody(&store).await.record.account;
    let session = sign_in(&store, account.id).await.id;
    let version = Some(account.version);
    assert_eq!(hold(&store, session, 0, START).await, version);
    successor(&store, session, 0, START).await.unwrap();
    assert_eq!(
        hold(&store, session, 0, START).await,
        version,
        "a refresh replaces no access token"
    );
    let method = AuthenticationMethod::Password;
    let proven = prove(&store, session, account.id, method, START)
        .await
        .unwrap();
    for replaced in 0..proven.generation {
        assert_eq!(
            hold(&store, session, replaced, START).await,
            None,
            "{replaced}"
        );
    }
    assert_eq!(
        hold(&store, session, proven.generation, START).await,
        version
    );
    let late = proven.idle_deadline;
    assert_eq!(
        hold(&store, session, proven.generation, late).await,
        None,
        "it is idle"
    );
    assert_eq!(hold(&store, id(), 0, START).await, None, "there is none");
    in_unit!(
        store,
        sessions.end(session, account.id, EndReason::SignedOut, START)
    )
    .unwrap();
    assert_eq!(
        hold(&store, session, proven.generation, START).await,
        None,
        "it is over"
    );
}

/// An action that holds the session either completes before a proof replaces its token, or sees the replacement.
pub async fn of_an_act_and_a_proof_at_once_the_later_one_sees_the_other(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let session = sign_in(&store, account).await.id;
    let method = AuthenticationMethod::Password;
    let mut unit = store.begin().await.expect("a unit");
    let renewal = Renewal::by(method);
    let proven = unit
        .sessions()
        .prove_again(session, account, renewal, START)
        .await;
    assert!(proven.expect("a proof").is_some());
    let rival = store.clone();
    let act = tokio::spawn(async move { hold(&rival, session, 0, START).await });
    unit.commit().await.expect("a commit");
    assert_eq!(act.await.expect("it ends"), None);
}

/// No grace time, no forgiveness and no theft, however old the generation and however soon it is presented.
pub async fn what_a_proof_ended_is_invalid_and_no_theft(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let session = from_a_known_device(&store, account).await;
    for generation in 0..3 {
        let next = successor(&store, session.id, generation, START).await;
        assert_eq!(next, Some(generation + 1));
    }
    let method = AuthenticationMethod::Password;
    let proven = prove(&store, session.id, account, method, START).await;
    assert_eq!(proven.expect("it is live").generation, 4);
    for presented in 0..4 {
        for elapsed in [Duration::ZERO, RULES.grace, Duration::HOUR] {
            let now = START + elapsed;
            let case = format!("{presented}, {elapsed} after");
            assert_eq!(
                successor(&store, session.id, presented, now).await,
                None,
                "{case}"
            );
            let device = session.device;
            let forgiven = forgive(&store, session.id, presented, device, now).await;
            assert!(forgiven.is_none(), "{case}");
            assert!(
                !is_theft(&store, session.id, presented, now).await,
                "{case}"
            );
        }
    }
    assert!(is_live(&store, session.id, START).await);
    assert_eq!(successor(&store, session.id, 4, START).await, Some(5));
    // From there on the usual rules apply.
    assert_eq!(successor(&store, session.id, 4, START).await, Some(5));
    assert!(is_theft(&store, session.id, 4, START + RULES.grace).await);
}

/// Each proof gets its own generation, and those of concurrent refreshes are neither lost nor issued twice.
pub async fn of_proofs_and_refreshes_at_once_one_generation_is_left(store: Store) {
    let account = somebody(&store).await.record.account.id;
    for _ in 0..ROUNDS {
        let session = sign_in(&store, account).await.id;
        let given = fifty_at_once(|number| {
            let store = store.clone();
            async move {
                if number % 10 == 0 {
                    let method = AuthenticationMethod::Password;
                    let proven = prove(&store, session, account, method, START).await;
                    proven.map(|it| (true, it.generation))
                } else {
                    let next = successor(&store, session, 0, START).await;
                    next.map(|generation| (false, generation))
                }
            }
        })
        .await;
        let given: Vec<_> = given.into_iter().flatten().collect();
        let mut proven: Vec<_> = given.iter().filter(|it| it.0).map(|it| it.1).collect();
        proven.sort_unstable();
        proven.dedup();
        assert_eq!(proven.len(), 5, "each proof has its own");
        assert!(given.iter().all(|it| it.0 || it.1 == 1), "{given:?}");
        let last = proven[4];
        for generation in 0..last {
            assert_eq!(successor(&store, session, generation, START).await, None);
            assert!(!is_theft(&store, session, generation, START).await);
        }
        assert_eq!(
            successor(&store, session, last, START).await,
            Some(last + 1)
        );
    }
}

/// Random walks of uses, a few seconds to two days apart, compared with a model of the chain.
pub async fn forgiving_agrees_with_the_domain_at_every_step(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let gaps = [1, 9, 10, 11, 600, 3_600, 6 * 3_600, 86_400, 2 * 86_400];
    let (mut forgiven, mut thefts) = (0, 0);
    for seed in 0..24 {
        let random = SeededRandom::new(seed);
        let session = from_a_known_device(&store, account).await;
        let mut chain = Chain {
            current: 0,
            proven: 0,
            rotated_at: START,
            forgiven: [None; RotationRules::MOST_FORGIVEN],
        };
        let mut now = START;
        for _ in 0..40 {
            let gap = *random.pick(&gaps);
            now += Duration::seconds(gap);
            if !is_live(&store, session.id, now).await {
                break;
            }
            let back = *random.pick(&[0, 0, 0, 0, 1, 1, 1, 1, 1, 2]);
            let Some(presented) = chain.current.checked_sub(back) else {
                continue;
            };
            let from_its_device = *random.pick(&[true, true, true, true, true, true, false]);
            let device = if from_its_device {
                session.device
            } else {
                id()
            };
            let verdict = RULES.judge(presented, &chain, from_its_device, now);
            let case = format!("seed {seed}, {presented} of {chain:?} at {now}: {verdict:?}");
            let next = successor(&store, session.id, presented, now).await;
            let expected = match verdict {
                Rotation::Rotated => Some(presented + 1),
                Rotation::Repeated => Some(chain.current),
                _ => None,
            };
            assert_eq!(next, expected, "{case}");
            if verdict == Rotation::Rotated {
                chain.current += 1;
                chain.rotated_at = now;
            }
            if expected.is_some() {
                continue;
            }
            let given = forgive(&store, session.id, presented, device, now).await;
            let given = given.map(|it| it.session.generation);
            if verdict == Rotation::Forgiven {
                assert_eq!(given, Some(chain.current), "{case}");
                chain.forgiven.rotate_right(1);
                chain.forgiven[0] = Some(Forgiven {
                    at: now,
                    generation: chain.current,
                });
                chain.rotated_at = now;
                forgiven += 1;
            } else {
                assert_eq!(given, None, "{case}");
                assert!(is_theft(&store, session.id, presented, now).await, "{case}");
                thefts += 1;
                break;
            }
        }
    }
    assert!(forgiven > 20 && thefts > 5, "{forgiven}, {thefts}");
}

/// Only the device on which the session was begun, and only while its account knows it.
pub async fn nobody_else_is_forgiven(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let session = from_a_known_device(&store, account).await;
    let device = session.device;
    let other = id();
    in_unit!(store, devices.remember(account, other, 20, START)).unwrap();
    assert_eq!(successor(&store, session.id, 0, START).await, Some(1));
    let late = START + RULES.grace;
    for (which, presented, device, now) in [
        ("another device", 0, other, late),
        ("the current generation", 1, device, late),
        (
            "within the grace time",
            0,
            device,
            late - Duration::MICROSECOND,
        ),
        ("one to come", 2, device, late),
        ("after its end", 0, device, START + session.idle),
    ] {
        let forgiven = forgive(&store, session.id, presented, device, now).await;
        assert!(forgiven.is_none(), "{which}");
    }
    let forgiven = forgive(&store, session.id, 0, device, late).await;
    let forgiven = forgiven.expect("its own device");
    assert_eq!(forgiven.session.generation, 1);
    assert_eq!(forgiven.session.account, account);
    let found = snapshot(&store, session.id, late)
        .await
        .expect("it is live");
    assert_eq!(
        forgiven.session.idle_deadline, found.idle_deadline,
        "a repetition prolongs nothing"
    );
    assert!(in_unit!(store, devices.forget(account, device)).unwrap());
    let later = late + RULES.grace;
    assert!(
        forgive(&store, session.id, 0, device, later)
            .await
            .is_none()
    );
}

/// Five browser tabs that wake up together count as one lost answer.
pub async fn of_fifty_that_are_forgiven_at_once_one_is_counted(store: Store) {
    let account = somebody(&store).await.record.account.id;
    for _ in 0..ROUNDS {
        let session = from_a_known_device(&store, account).await;
        let (session, device) = (session.id, session.device);
        assert_eq!(successor(&store, session, 0, START).await, Some(1));
        let mut now = START;
        for _ in 0..RotationRules::MOST_FORGIVEN {
            now += Duration::MINUTE;
            let forgiven = fifty_at_once(|_| {
                let store = store.clone();
                async move {
                    let forgiven = forgive(&store, session, 0, device, now).await.is_some();
                    // All others are within the new grace time.
                    let next = successor(&store, session, 0, now).await;
                    assert_eq!(next, Some(1));
                    forgiven
                }
            })
            .await;
            assert_eq!(forgiven.into_iter().filter(|it| *it).count(), 1);
        }
        now += Duration::MINUTE;
        assert!(forgive(&store, session, 0, device, now).await.is_none());
        assert!(is_theft(&store, session, 0, now).await, "the fifth");
    }
}
