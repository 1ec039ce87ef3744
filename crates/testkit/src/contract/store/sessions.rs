//! Sessions: beginning, reading, listing and ending them.

use authentication_app::ports::{EndedSession, NewSession, SessionSnapshot, StoreError};
use authentication_domain::{
    accounts::{AccountId, AccountStatus},
    sessions::{EndReason, RotationRules, SessionId},
};
use common::{
    access::{AuthenticationMethod, Proofs},
    page::PageRequest,
};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{begin_session, is_live, register, sign_in, snapshot, somebody},
};
use crate::{
    builders::{id, new_account_in, new_session, new_session_at, password_hash},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const MOMENT: Duration = Duration::MICROSECOND;

async fn end(
    store: &Store,
    session: SessionId,
    account: AccountId,
    now: OffsetDateTime,
) -> Option<EndedSession> {
    let reason = EndReason::SignedOut;
    in_unit!(store, sessions.end(session, account, reason, now)).expect("a session ends or not")
}

async fn end_all(
    store: &Store,
    account: AccountId,
    but: Option<SessionId>,
    now: OffsetDateTime,
) -> Vec<SessionId> {
    let reason = EndReason::PasswordChanged;
    let ended = in_unit!(store, sessions.end_all(account, but, reason, now));
    sorted(ended.expect("sessions end"))
}

fn sorted(mut sessions: Vec<SessionId>) -> Vec<SessionId> {
    sessions.sort();
    sessions
}

/// All live sessions, as listed page by page.
async fn list(
    store: &Store,
    account: AccountId,
    limit: u32,
    now: OffsetDateTime,
) -> Vec<Vec<SessionId>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let request = PageRequest::new(Some(limit), after).unwrap();
        let page = store
            .list_sessions(account, &request, now)
            .await
            .expect("the store answers");
        pages.push(page.items.iter().map(|item| item.session).collect());
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

/// `times` sessions, begun a minute apart, oldest first.
async fn sign_in_often(store: &Store, account: AccountId, times: u32) -> Vec<SessionId> {
    let mut sessions = Vec::new();
    for minute in 0..times {
        let session = new_session_at(account, START + Duration::MINUTE * minute);
        begin_session(store, &session).await;
        sessions.push(session.id);
    }
    sessions
}

pub async fn a_session_is_read_as_it_was_begun(store: Store) {
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    let _other = sign_in(&store, account).await;
    let methods = AuthenticationMethod::ALL;
    let only = |first| Proofs::only(first, START - MOMENT);
    let pairs = methods.map(|first| methods.map(|second| only(first).and(second, START + MOMENT)));
    let pairs = pairs.into_iter().flatten();
    for proofs in methods.map(only).into_iter().chain(pairs) {
        let session = NewSession {
            proofs,
            ..new_session(account)
        };
        begin_session(&store, &session).await;
        let expected = SessionSnapshot {
            session: session.id,
            owner: owner.record.clone(),
            proofs,
            proven_generation: 0,
            presented_generation: 0,
            idle_deadline: START + session.idle,
            absolute_deadline: session.absolute_deadline,
        };
        assert_eq!(snapshot(&store, session.id, START).await, Some(expected));
    }
    assert_eq!(snapshot(&store, id(), START).await, None);
}

pub async fn a_session_lives_until_its_deadlines(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let idle = sign_in(&store, account).await;
    let short = NewSession {
        absolute_deadline: START + Duration::HOUR,
        ..new_session(account)
    };
    begin_session(&store, &short).await;
    for (session, deadline) in [
        (&idle, START + idle.idle),
        (&short, short.absolute_deadline),
    ] {
        let last = snapshot(&store, session.id, deadline - MOMENT)
            .await
            .expect("still live");
        assert_eq!(last.idle_deadline, deadline, "never after the absolute one");
        assert!(!is_live(&store, session.id, deadline).await);
    }
}

pub async fn an_account_that_is_not_active_has_no_live_session(store: Store) {
    for status in [
        AccountStatus::Pending,
        AccountStatus::Suspended { since: START },
        AccountStatus::Deleted { since: START },
    ] {
        let owner = register(&store, new_account_in(status)).await;
        let session = sign_in(&store, owner.record.account.id).await;
        assert!(!is_live(&store, session.id, START).await, "{status:?}");
    }
}

pub async fn one_session_more_than_allowed_ends_the_oldest(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let stranger = somebody(&store).await.record.account.id;
    let foreign = sign_in(&store, stranger).await;
    let sessions = sign_in_often(&store, account, 5).await;
    let now = START + Duration::HOUR;
    // Up to the limit, then one more, then with a lower limit, which ends several.
    let mut live = sessions;
    for (most, expected) in [(6, 0), (6, 1), (3, 4)] {
        let next = new_session_at(account, now);
        let ended = in_unit!(store, sessions.begin(&next, most)).expect("a session begins");
        live.push(next.id);
        let oldest: Vec<_> = live.drain(..expected).collect();
        assert_eq!(sorted(ended), sorted(oldest.clone()));
        for session in oldest {
            assert!(!is_live(&store, session, now).await);
        }
        for session in &live {
            assert!(is_live(&store, *session, now).await);
        }
    }
    assert!(is_live(&store, foreign.id, now).await);
}

pub async fn sessions_that_ended_do_not_count_against_the_limit(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let signed_out = sign_in(&store, account).await;
    let expired = NewSession {
        absolute_deadline: START + Duration::MINUTE,
        ..new_session(account)
    };
    let live = sign_in(&store, account).await;
    begin_session(&store, &expired).await;
    assert!(end(&store, signed_out.id, account, START).await.is_some());
    let next = new_session_at(account, START + Duration::MINUTE);
    let ended = in_unit!(store, sessions.begin(&next, 2)).expect("a session begins");
    assert_eq!(ended, [], "two are live");
    assert!(is_live(&store, live.id, next.created_at).await);
}

pub async fn fifty_sign_ins_at_once_leave_no_more_than_allowed(store: Store) {
    for _ in 0..ROUNDS {
        let account = somebody(&store).await.record.account.id;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let session = new_session(account);
            async move { in_unit!(store, sessions.begin(&session, 5)).expect("a session begins") }
        })
        .await;
        let live = list(&store, account, 100, START).await.concat();
        assert_eq!(live.len(), 5);
        let ended = sorted(answers.concat());
        assert_eq!(ended.len(), 45, "each of the others was named, once");
        assert!(ended.iter().all(|session| !live.contains(session)));
    }
}

pub async fn a_proof_of_an_older_version_begins_no_session(store: Store) {
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    change_password(&store, account).await;
    let begun = in_unit!(store, sessions.begin(&new_session(account), 50));
    assert!(
        matches!(begun, Err(StoreError::Retryable)),
        "the old password was judged: {begun:?}"
    );
    let newer = NewSession {
        account_version: owner.record.account.version + 1,
        ..new_session(account)
    };
    assert!(in_unit!(store, sessions.begin(&newer, 50)).is_ok());
}

pub async fn no_session_outlives_the_password_it_was_begun_with(store: Store) {
    for _ in 0..ROUNDS {
        let owner = somebody(&store).await;
        let account = owner.record.account.id;
        fifty_at_once(|number| {
            let store = store.clone();
            async move {
                if number == 25 {
                    change_password(&store, account).await;
                } else {
                    // Whether it was before the change or too late does not matter here.
                    let _ = in_unit!(store, sessions.begin(&new_session(account), 50));
                }
            }
        })
        .await;
        let left = end_all(&store, account, None, START).await;
        assert_eq!(left, [], "sessions of the old password");
    }
}

/// As the use case does it: sets the password and ends all sessions in one unit.
async fn change_password(store: &Store, account: AccountId) {
    let mut unit = store.begin().await.expect("a unit");
    let set = unit
        .accounts()
        .set_password(account, 1, &password_hash(), None, START)
        .await;
    assert!(set.expect("a password is set"));
    let ended = unit
        .sessions()
        .end_all(account, None, EndReason::PasswordChanged, START)
        .await;
    ended.expect("sessions end");
    unit.commit().await.expect("a commit");
}

pub async fn a_session_is_ended_once(store: Store) {
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    let session = sign_in(&store, account).await;
    let other = sign_in(&store, account).await;
    let expected = EndedSession {
        session: session.id,
        account,
        wrapped_key: owner.record.wrapped_key,
    };
    assert_eq!(
        end(&store, session.id, account, START).await,
        Some(expected)
    );
    assert!(!is_live(&store, session.id, START).await);
    assert_eq!(end(&store, session.id, account, START).await, None);
    assert!(is_live(&store, other.id, START).await);

    let deadline = START + other.idle;
    assert_eq!(
        end(&store, other.id, account, deadline).await,
        None,
        "it ended by itself"
    );
    assert!(
        end(&store, other.id, account, deadline - MOMENT)
            .await
            .is_some()
    );
}

pub async fn a_session_is_ended_by_its_own_account_alone(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let stranger = somebody(&store).await.record.account.id;
    let session = sign_in(&store, account).await;
    assert_eq!(end(&store, session.id, stranger, START).await, None);
    assert_eq!(end(&store, id(), account, START).await, None);
    assert!(is_live(&store, session.id, START).await);
}

pub async fn of_fifty_that_end_a_session_one_ends_it(store: Store) {
    let account = somebody(&store).await.record.account.id;
    for _ in 0..ROUNDS {
        let session = sign_in(&store, account).await.id;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { end(&store, session, account, START).await }
        })
        .await;
        assert_eq!(answers.into_iter().flatten().count(), 1);
    }
}

pub async fn all_sessions_of_an_account_end_together(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let stranger = somebody(&store).await.record.account.id;
    let foreign = sign_in(&store, stranger).await;
    let signed_out = sign_in(&store, account).await;
    assert!(end(&store, signed_out.id, account, START).await.is_some());
    let expired = NewSession {
        absolute_deadline: START + Duration::MINUTE,
        ..new_session(account)
    };
    begin_session(&store, &expired).await;
    let sessions = sign_in_often(&store, account, 3).await;
    let now = START + Duration::HOUR;
    assert_eq!(end_all(&store, account, None, now).await, sessions);
    for session in sessions {
        assert!(!is_live(&store, session, now).await);
    }
    assert!(is_live(&store, foreign.id, now).await);
    assert_eq!(end_all(&store, account, None, now).await, []);
}

pub async fn all_sessions_but_one_end_together(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let sessions = sign_in_often(&store, account, 3).await;
    let kept = sessions[1];
    let ended = end_all(&store, account, Some(kept), START).await;
    assert_eq!(ended, [sessions[0], sessions[2]]);
    assert!(is_live(&store, kept, START).await);
    assert_eq!(end_all(&store, account, Some(kept), START).await, []);
    assert_eq!(
        end_all(&store, account, Some(id()), START).await,
        [kept],
        "nobody's is spared"
    );
}

pub async fn sessions_are_listed_newest_first_page_by_page(store: Store) {
    let account = somebody(&store).await.record.account.id;
    assert_eq!(list(&store, account, 2, START).await, [[]; 1]);
    let sessions = sign_in_often(&store, account, 5).await;
    let now = START + Duration::HOUR;
    let [first, second, third, fourth, fifth] = sessions[..] else {
        panic!("five sessions");
    };
    let expected = [vec![fifth, fourth], vec![third, second], vec![first]];
    assert_eq!(list(&store, account, 2, now).await, expected);
    assert_eq!(
        list(&store, account, 5, now).await.len(),
        1,
        "no empty page at the end"
    );
}

pub async fn the_list_has_only_live_sessions_of_the_account(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let stranger = somebody(&store).await.record.account.id;
    let _foreign = sign_in(&store, stranger).await;
    let signed_out = sign_in(&store, account).await;
    assert!(end(&store, signed_out.id, account, START).await.is_some());
    let expired = NewSession {
        absolute_deadline: START + Duration::MINUTE,
        ..new_session(account)
    };
    begin_session(&store, &expired).await;
    let live = sign_in(&store, account).await;
    let refreshed_at = START + Duration::MINUTE;
    let rotated = store
        .rotate(live.id, 0, RotationRules::default(), refreshed_at)
        .await;
    assert!(rotated.unwrap().is_some());

    let request = PageRequest::new(None, None).unwrap();
    let page = store
        .list_sessions(account, &request, refreshed_at)
        .await
        .unwrap();
    assert_eq!(page.next, None);
    let [item] = <[_; 1]>::try_from(page.items).expect("one is live");
    assert_eq!(item.session, live.id);
    assert_eq!(item.origin, live.origin);
    assert_eq!(item.created_at, START);
    assert_eq!(item.last_used_at, refreshed_at);
    assert_eq!(item.idle_deadline, refreshed_at + live.idle);
}
