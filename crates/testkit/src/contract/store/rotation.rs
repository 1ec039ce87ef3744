//! Rotation of refresh tokens: the store decides in one statement, as [`RotationRules::judge`] specifies.

use authentication_app::ports::{EndedSession, NewSession, RotatedSession};
use authentication_domain::{
    accounts::{AccountId, AccountStatus},
    sessions::{Chain, EndReason, Rotation, RotationRules, SessionId},
};
use common::access::{AuthenticationMethod, Proofs, Role};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{begin_session, is_live, register, sign_in, snapshot, somebody},
};
use crate::{
    builders::{id, new_account, new_account_in, new_session},
    clock::START,
    race::{ROUNDS, at_once, fifty_at_once},
};

const MOMENT: Duration = Duration::MICROSECOND;
/// The generation of a session's first token.
const FIRST: u32 = 0;

async fn rotate(
    store: &Store,
    session: SessionId,
    presented: u32,
    now: OffsetDateTime,
) -> Option<RotatedSession> {
    let rotated = store
        .rotate(session, presented, RotationRules::default(), now)
        .await;
    rotated.expect("a session is rotated or not")
}

/// The generation that is issued.
async fn successor(
    store: &Store,
    session: SessionId,
    presented: u32,
    now: OffsetDateTime,
) -> Option<u32> {
    let rotated = rotate(store, session, presented, now).await;
    rotated.map(|rotated| rotated.generation)
}

async fn end_reused(
    store: &Store,
    session: SessionId,
    presented: u32,
    now: OffsetDateTime,
) -> Option<EndedSession> {
    let rules = RotationRules::default();
    in_unit!(store, sessions.end_reused(session, presented, rules, now)).expect("it ends or not")
}

/// A session that was refreshed `times` times, a minute apart.
async fn refreshed(store: &Store, account: AccountId, times: u32) -> (SessionId, OffsetDateTime) {
    let session = sign_in(store, account).await.id;
    let mut rotated_at = START;
    for generation in FIRST..FIRST + times {
        rotated_at += Duration::MINUTE;
        let next = successor(store, session, generation, rotated_at).await;
        assert_eq!(next, Some(generation + 1));
    }
    (session, rotated_at)
}

pub async fn a_rotation_answers_with_everything_the_tokens_need(store: Store) {
    let mut owner = new_account();
    owner.record.account.roles = owner.record.account.roles.with(Role::Vendor);
    let owner = register(&store, owner).await;
    let session = NewSession {
        proofs: Proofs::only(AuthenticationMethod::OneTimeCode, START - MOMENT)
            .and(AuthenticationMethod::Totp, START),
        refresh_key_id: "refresh-7".to_owned(),
        ..new_session(owner.record.account.id)
    };
    begin_session(&store, &session).await;
    let now = START + Duration::HOUR;
    let rotated = rotate(&store, session.id, FIRST, now)
        .await
        .expect("it is live");
    assert_eq!(rotated.account, owner.record.account.id);
    assert_eq!(rotated.roles, owner.record.account.roles);
    assert_eq!(rotated.generation, FIRST + 1);
    assert_eq!(rotated.refresh_key_id, "refresh-7");
    assert_eq!(rotated.proofs, session.proofs);
    assert_eq!(rotated.idle_deadline, now + session.idle);
    assert_eq!(rotated.absolute_deadline, session.absolute_deadline);
}

/// The chain of a session without a proof and without forgiven refreshes.
fn chain(current: u32, rotated_at: OffsetDateTime) -> Chain {
    Chain {
        current,
        proven: 0,
        rotated_at,
        forgiven: [None; RotationRules::MOST_FORGIVEN],
    }
}

/// Each generation that could be presented, on each side of each boundary.
fn cases(rotations: u32) -> impl Iterator<Item = (u32, Duration)> {
    let grace = RotationRules::default().grace;
    let elapsed = [
        -3 * grace,
        Duration::ZERO,
        MOMENT,
        grace - MOMENT,
        grace,
        Duration::HOUR,
    ];
    (FIRST..=FIRST + rotations + 2)
        .flat_map(move |presented| elapsed.map(|elapsed| (presented, elapsed)))
}

pub async fn rotation_agrees_with_the_domain_at_every_edge(store: Store) {
    let rules = RotationRules::default();
    let account = somebody(&store).await.record.account.id;
    for rotations in [0, 1, 3] {
        let current = FIRST + rotations;
        for (presented, elapsed) in cases(rotations) {
            let (session, rotated_at) = refreshed(&store, account, rotations).await;
            let now = rotated_at + elapsed;
            let before = snapshot(&store, session, now).await;
            let verdict = rules.judge(presented, &chain(current, rotated_at), false, now);
            let expected = match verdict {
                Rotation::Rotated => Some(presented + 1),
                Rotation::Repeated => Some(current),
                Rotation::Forgiven
                | Rotation::EndedByProof
                | Rotation::Ahead
                | Rotation::Reused => None,
            };
            let case = format!("{presented} of {current}, {elapsed} after: {verdict:?}");
            assert_eq!(
                successor(&store, session, presented, now).await,
                expected,
                "{case}"
            );
            if expected.is_none() {
                assert_eq!(snapshot(&store, session, now).await, before, "{case}");
            }
            // In every case, the current generation is still accepted.
            let current = expected.unwrap_or(current);
            let later = now.max(rotated_at) + Duration::MINUTE;
            assert_eq!(
                successor(&store, session, current, later).await,
                Some(current + 1),
                "{case}"
            );
        }
    }
}

pub async fn ending_for_reuse_agrees_with_the_domain_at_every_edge(store: Store) {
    let rules = RotationRules::default();
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    for rotations in [0, 1, 3] {
        let current = FIRST + rotations;
        for (presented, elapsed) in cases(rotations) {
            let (session, rotated_at) = refreshed(&store, account, rotations).await;
            let now = rotated_at + elapsed;
            let verdict = rules.judge(presented, &chain(current, rotated_at), false, now);
            let case = format!("{presented} of {current}, {elapsed} after: {verdict:?}");
            let expected = (verdict == Rotation::Reused).then(|| EndedSession {
                session,
                account,
                wrapped_key: owner.record.wrapped_key.clone(),
            });
            let lives = expected.is_none();
            assert_eq!(
                end_reused(&store, session, presented, now).await,
                expected,
                "{case}"
            );
            assert_eq!(is_live(&store, session, now).await, lives, "{case}");
            let next = successor(&store, session, current, now).await;
            assert_eq!(next, lives.then_some(current + 1), "{case}");
        }
    }
}

/// What a client presents after the store lost commits (a restored backup, a promoted replica).
pub async fn a_generation_that_the_store_forgot_goes_on_and_is_no_theft(store: Store) {
    let rules = RotationRules::default();
    let account = somebody(&store).await.record.account.id;
    let (session, rotated_at) = refreshed(&store, account, 2).await;
    let now = rotated_at + Duration::MINUTE;
    let catch_up = async |presented, now| {
        in_unit!(store, sessions.catch_up(session, presented, rules, now)).expect("it does or not")
    };
    for presented in FIRST..=FIRST + 2 {
        assert!(catch_up(presented, now).await.is_none(), "{presented}");
    }
    let ahead = FIRST + 9;
    assert!(end_reused(&store, session, ahead, now).await.is_none());
    let answers = fifty_at_once(|_| {
        let store = store.clone();
        async move {
            in_unit!(store, sessions.catch_up(session, ahead, rules, now)).expect("it goes on")
        }
    })
    .await;
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    assert_eq!(answers.len(), 50);
    assert!(
        answers
            .iter()
            .all(|it| it.session.session.generation == ahead + 1)
    );
    // From here on theft is detected as usual.
    let later = rotated_at + Duration::MINUTE;
    assert_eq!(
        successor(&store, session, ahead + 1, later).await,
        Some(ahead + 2)
    );
    let reused = end_reused(&store, session, FIRST + 2, later).await;
    assert_eq!(reused.map(|ended| ended.account), Some(account));
    assert!(catch_up(ahead + 20, later).await.is_none(), "it is over");
}

pub async fn a_repetition_does_not_prolong_the_grace_time(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let (session, rotated_at) = refreshed(&store, account, 1).await;
    let grace = RotationRules::default().grace;
    for _ in 0..3 {
        let again = successor(&store, session, FIRST, rotated_at + grace - MOMENT).await;
        assert_eq!(again, Some(FIRST + 1));
    }
    assert_eq!(
        successor(&store, session, FIRST, rotated_at + grace).await,
        None
    );
}

pub async fn without_grace_time_of_fifty_at_once_one_rotates(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let session = sign_in(&store, account).await.id;
    let rules = RotationRules {
        grace: Duration::ZERO,
    };
    for generation in (FIRST..).take(ROUNDS) {
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move {
                store
                    .rotate(session, generation, rules, START)
                    .await
                    .unwrap()
            }
        })
        .await;
        let generations: Vec<_> = answers
            .into_iter()
            .flatten()
            .map(|it| it.generation)
            .collect();
        assert_eq!(generations, [generation + 1]);
    }
}

pub async fn fifty_at_once_get_the_same_successor(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let session = sign_in(&store, account).await.id;
    let mut now = START;
    for generation in (FIRST..).take(4 * ROUNDS) {
        now += Duration::MINUTE;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { successor(&store, session, generation, now).await }
        })
        .await;
        assert_eq!(answers, [Some(generation + 1); 50]);
    }
}

pub async fn a_dead_session_does_not_rotate(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let [ended, idle, short] = [
        new_session(account),
        new_session(account),
        NewSession {
            absolute_deadline: START + Duration::HOUR,
            ..new_session(account)
        },
    ];
    for session in [&ended, &idle, &short] {
        begin_session(&store, session).await;
    }
    let reason = EndReason::SignedOut;
    in_unit!(store, sessions.end(ended.id, account, reason, START)).unwrap();
    assert_eq!(successor(&store, ended.id, FIRST, START).await, None);
    assert!(
        end_reused(&store, ended.id, FIRST + 1, START)
            .await
            .is_none(),
        "it ended before"
    );
    assert_eq!(
        successor(&store, id(), FIRST, START).await,
        None,
        "there is no such session"
    );
    assert!(end_reused(&store, id(), FIRST, START).await.is_none());
    for (session, deadline) in [
        (&idle, START + idle.idle),
        (&short, short.absolute_deadline),
    ] {
        assert_eq!(successor(&store, session.id, FIRST, deadline).await, None);
        assert!(
            end_reused(&store, session.id, FIRST + 1, deadline)
                .await
                .is_none()
        );
        let at_last = successor(&store, session.id, FIRST, deadline - MOMENT).await;
        assert_eq!(at_last, Some(FIRST + 1));
    }
}

pub async fn the_session_of_a_closed_account_does_not_rotate(store: Store) {
    for status in [
        AccountStatus::Pending,
        AccountStatus::Suspended { since: START },
        AccountStatus::Deleted { since: START },
    ] {
        let owner = register(&store, new_account_in(status)).await;
        let session = sign_in(&store, owner.record.account.id).await;
        assert_eq!(
            successor(&store, session.id, FIRST, START).await,
            None,
            "{status:?}"
        );
    }
}

pub async fn a_rotation_prolongs_the_session_up_to_its_absolute_deadline(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let session = sign_in(&store, account).await;
    for (generation, day) in (FIRST..).zip([13, 26, 29]) {
        let now = START + Duration::days(day);
        let rotated = rotate(&store, session.id, generation, now)
            .await
            .expect("it is live");
        let deadline = session.absolute_deadline.min(now + session.idle);
        assert_eq!(rotated.idle_deadline, deadline);
        let found = snapshot(&store, session.id, now).await.expect("it is live");
        assert_eq!(found.idle_deadline, deadline);
        assert_eq!(found.proofs, session.proofs, "a refresh proves nothing new");
    }
    assert!(is_live(&store, session.id, session.absolute_deadline - MOMENT).await);
    assert!(!is_live(&store, session.id, session.absolute_deadline).await);
}

pub async fn reuse_ends_a_session_once(store: Store) {
    let account = somebody(&store).await.record.account.id;
    for _ in 0..ROUNDS {
        let (session, rotated_at) = refreshed(&store, account, 2).await;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { end_reused(&store, session, FIRST, rotated_at).await }
        })
        .await;
        assert_eq!(answers.into_iter().flatten().count(), 1);
        assert_eq!(
            successor(&store, session, FIRST + 2, rotated_at).await,
            None
        );
    }
}

pub async fn a_session_that_ends_amid_rotations_stays_ended(store: Store) {
    let account = somebody(&store).await.record.account.id;
    for _ in 0..4 * ROUNDS {
        let session = sign_in(&store, account).await.id;
        let answers = at_once(8, |number| {
            let store = store.clone();
            async move {
                let reason = EndReason::SignedOut;
                if number == 0 {
                    let ended = in_unit!(store, sessions.end(session, account, reason, START));
                    assert!(ended.unwrap().is_some());
                    None
                } else {
                    successor(&store, session, FIRST, START).await
                }
            }
        })
        .await;
        let handed_out = answers.into_iter().flatten();
        assert!(
            handed_out
                .into_iter()
                .all(|generation| generation == FIRST + 1)
        );
        assert!(!is_live(&store, session, START).await);
        for generation in [FIRST, FIRST + 1] {
            assert_eq!(successor(&store, session, generation, START).await, None);
        }
    }
}
