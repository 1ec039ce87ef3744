//! Gathered notices: each act is reported either at once or in a summary.

use authentication_app::ports::{
    Closing, Gathered, GiveBack, LeasedMessage, MessageKind, MessageOrder, NoticedAct, Recipient,
};
use authentication_domain::{
    credentials::CredentialKind,
    protection::{NoticePace, NoticeState, Telling},
};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    messages::{again, finish, give_back, lease, lease_one},
    support::{begin, retrying},
};
use crate::{
    builders::{id, message_order, nonce, subject},
    clock::START,
    race::{ROUNDS, at_once, fifty_at_once},
};

const KIND: MessageKind = MessageKind::NewDevice;
const SPACING: Duration = NoticePace::ACT.first;

fn me() -> Recipient {
    Recipient::Account(id())
}

/// Reports one more act as use cases do: the act that opens a summary also queues its message.
async fn act(store: &Store, to: &Recipient, kind: MessageKind, at: OffsetDateTime) -> Telling {
    let pace = kind.pace().expect("a kind that is gathered");
    let told = retrying(|| async {
        let mut order = message_order(kind, to.clone(), at);
        order.link = Some(nonce());
        let act = NoticedAct {
            recipient: to.clone(),
            kind,
            pace,
            summary: order.id,
            at,
        };
        let mut unit = store.begin().await?;
        let telling = unit.notices().gather(&act).await?;
        if let Telling::Later { due } = telling {
            let gathers_until = Some(due);
            let summary = MessageOrder {
                gathers_until,
                ..order
            };
            unit.outbox().append_message(&summary).await?;
        }
        unit.commit().await?;
        Ok(telling)
    });
    told.await.expect("the store answers")
}

async fn close(store: &Store, leased: &LeasedMessage, now: OffsetDateTime) -> Closing {
    in_unit!(store, notices.close_gathering(leased.held(), now)).expect("the store answers")
}

fn told_in(closing: Closing) -> Option<Gathered> {
    match closing {
        Closing::Closed(gathered) => Some(gathered),
        Closing::Nothing | Closing::NotHeld => None,
    }
}

/// Sends the summary that is due, and returns its acts.
async fn send(store: &Store, now: OffsetDateTime) -> Gathered {
    let leased = lease_one(store, now).await;
    assert!(leased.order.gathers_until.is_some());
    let closed = close(store, &leased, now).await;
    assert!(finish(store, leased.held()).await);
    told_in(closed).expect("something was gathered")
}

pub async fn acts_are_told_and_gathered_as_the_rule_says(store: Store) {
    for (kind, pace) in [
        (KIND, NoticePace::ACT),
        (MessageKind::SignInLocked, NoticePace::ATTEMPT),
    ] {
        let to = me();
        let mut state: Option<NoticeState> = None;
        let mut now = START;
        // In bursts, at the boundaries of the spacing, and after more than a day.
        let waits = [
            0, 1, 899, 1, 60, 900, 3_600, 5, 3_595, 14_400, 1, 14_399, 86_400, 2, 2, 200_000,
        ];
        for seconds in waits.into_iter().cycle().take(100) {
            now += Duration::seconds(seconds);
            if let Some(open) = state.filter(|it| it.is_open && it.told_at <= now) {
                send(&store, now).await;
                state = Some(open.sent(now));
            }
            let (after, telling) = pace.after(state, now);
            assert_eq!(
                act(&store, &to, kind, now).await,
                telling,
                "{state:?}, {now}"
            );
            state = Some(after);
        }
        while !lease(&store, 10, now + Duration::WEEK).await.is_empty() {}
    }
}

pub async fn a_summary_tells_how_many_and_since_when(store: Store) {
    let to = me();
    let at = |seconds| START + Duration::seconds(seconds);
    assert_eq!(act(&store, &to, KIND, at(0)).await, Telling::AtOnce);
    let due = START + SPACING;
    assert_eq!(act(&store, &to, KIND, at(1)).await, Telling::Later { due });
    for seconds in 2..=19 {
        assert_eq!(act(&store, &to, KIND, at(seconds)).await, Telling::Gathered);
    }
    assert!(
        lease(&store, 10, due - Duration::MICROSECOND)
            .await
            .is_empty()
    );
    // Nothing is lost if a worker ends before it closes the summary, or waits for quota.
    let leased = lease_one(&store, due).await;
    assert_eq!(leased.order.gathers_until, Some(due));
    assert_eq!(leased.gathered, None);
    assert_eq!(act(&store, &to, KIND, due).await, Telling::Gathered);
    assert!(give_back(&store, leased.held(), GiveBack::Wait(due)).await);
    let leased = lease_one(&store, due).await;
    let expected = Gathered {
        since: START,
        acts: 20,
        times: (1..=10).map(at).collect(),
        last: due,
    };
    let closed = close(&store, &leased, due).await;
    assert_eq!(closed, Closing::Closed(expected.clone()));
    // Sending failed and is retried: the summary reports the same acts, and later ones belong to the next summary.
    assert!(give_back(&store, leased.held(), again(due)).await);
    let later = act(&store, &to, KIND, due).await;
    assert!(matches!(later, Telling::Later { .. }), "{later:?}");
    let leased = lease_one(&store, due).await;
    assert_eq!(leased.gathered, Some(expected));
}

pub async fn kinds_and_recipients_are_gathered_apart(store: Store) {
    let added = |what| MessageKind::CredentialAdded(what);
    let removed = |what| MessageKind::CredentialRemoved(what);
    let kinds = [
        KIND,
        MessageKind::PasswordChanged,
        added(CredentialKind::Passkey),
        added(CredentialKind::Totp),
        removed(CredentialKind::Passkey),
    ];
    for to in [me(), me(), Recipient::Subject(subject())] {
        for kind in kinds {
            assert_eq!(
                act(&store, &to, kind, START).await,
                Telling::AtOnce,
                "{kind:?}"
            );
        }
        for kind in kinds {
            let next = act(&store, &to, kind, START).await;
            assert!(matches!(next, Telling::Later { .. }), "{kind:?}");
        }
    }
}

pub async fn of_fifty_acts_at_once_one_is_told_and_one_opens_the_summary(store: Store) {
    for _ in 0..ROUNDS {
        let to = me();
        let told = fifty_at_once(|_| {
            let (store, to) = (store.clone(), to.clone());
            async move { act(&store, &to, KIND, START).await }
        })
        .await;
        let times = |wanted: fn(&Telling) -> bool| told.iter().filter(|it| wanted(it)).count();
        assert_eq!(times(|it| *it == Telling::AtOnce), 1);
        assert_eq!(times(|it| matches!(it, Telling::Later { .. })), 1);
        assert_eq!(times(|it| *it == Telling::Gathered), 48);
        assert_eq!(send(&store, START + SPACING).await.acts, 49);
    }
}

/// In any order: no act is lost, and none is reported twice.
pub async fn acts_while_a_summary_is_closed_are_in_it_or_in_the_next(store: Store) {
    const RIVALS: usize = 12;
    for _ in 0..ROUNDS {
        let to = me();
        act(&store, &to, KIND, START).await;
        act(&store, &to, KIND, START).await;
        let due = START + SPACING;
        let leased = lease_one(&store, due).await;
        let closings = at_once(RIVALS + 1, |number| {
            let (store, to, leased) = (store.clone(), to.clone(), leased.clone());
            async move {
                if number == RIVALS / 2 {
                    Some(close(&store, &leased, due).await)
                } else {
                    act(&store, &to, KIND, due).await;
                    None
                }
            }
        })
        .await;
        let mut closed = closings.into_iter().flatten().filter_map(told_in);
        let first = closed.next().expect("it is closed");
        assert!(finish(&store, leased.held()).await);
        let next = lease(&store, 10, due + Duration::DAY).await;
        let mut told = first.acts;
        for summary in &next {
            told += told_in(close(&store, summary, due).await).map_or(0, |it| it.acts);
            assert!(finish(&store, summary.held()).await);
        }
        assert!(next.len() <= 1, "{next:?}");
        assert_eq!(told, 1 + u32::try_from(RIVALS).unwrap());
    }
}

pub async fn an_act_that_is_undone_is_told_of_by_nobody(store: Store) {
    let to = me();
    let undone = NoticedAct {
        recipient: to.clone(),
        kind: KIND,
        pace: NoticePace::ACT,
        summary: message_order(KIND, to.clone(), START).id,
        at: START,
    };
    let mut unit = begin(&store).await;
    unit.notices()
        .gather(&undone)
        .await
        .expect("the store answers");
    drop(unit);
    assert_eq!(act(&store, &to, KIND, START).await, Telling::AtOnce);
}

pub async fn whoever_lost_the_lease_closes_nothing(store: Store) {
    let to = me();
    act(&store, &to, KIND, START).await;
    act(&store, &to, KIND, START).await;
    let late = lease_one(&store, START + SPACING).await;
    let now = START + SPACING + Duration::HOUR;
    let holder = lease_one(&store, now).await;
    let mut unit = begin(&store).await;
    let closing = unit.notices().close_gathering(late.held(), now).await;
    assert_eq!(closing.expect("the store answers"), Closing::NotHeld);
    drop(unit);
    assert_eq!(act(&store, &to, KIND, now).await, Telling::Gathered);
    let closed = close(&store, &holder, now).await;
    assert!(matches!(&closed, Closing::Closed(it) if it.acts == 2));
    let again = close(&store, &holder, now).await;
    assert_eq!(again, closed, "whose answer got lost");
    assert_eq!(close(&store, &late, now).await, Closing::NotHeld);
}

/// Otherwise the following acts would wait for an operator, or forever.
pub async fn a_summary_that_is_parked_or_gone_takes_nothing_in(store: Store) {
    for is_gone in [false, true] {
        let to = me();
        act(&store, &to, KIND, START).await;
        act(&store, &to, KIND, START).await;
        let now = START + SPACING;
        let leased = lease_one(&store, now).await;
        if is_gone {
            assert!(finish(&store, leased.held()).await);
        } else {
            let (at, reason) = (now, "a reason".to_owned());
            assert!(give_back(&store, leased.held(), GiveBack::Park { at, reason }).await);
        }
        let later = now + Duration::HOUR;
        assert_eq!(act(&store, &to, KIND, later).await, Telling::AtOnce);
    }
}

pub async fn an_account_that_is_told_anew_hears_of_what_waits_and_of_the_next_act(store: Store) {
    let (account, other) = (id(), me());
    let to = Recipient::Account(account);
    for to in [&to, &other] {
        act(&store, to, KIND, START).await;
        act(&store, to, KIND, START).await;
    }
    act(&store, &to, MessageKind::PasswordChanged, START).await;
    let now = START + Duration::MINUTE;
    in_unit!(store, notices.tell_anew(account, now)).expect("the store answers");
    let leased = lease_one(&store, now).await;
    assert_eq!(leased.order.recipient, to);
    assert_eq!(leased.gathered.expect("what waited").acts, 1);
    for kind in [KIND, MessageKind::PasswordChanged] {
        assert_eq!(act(&store, &to, kind, now).await, Telling::AtOnce);
    }
    assert_eq!(act(&store, &other, KIND, now).await, Telling::Gathered);
}

/// Its worker has leased it already, and closes it after the account's notices were reset.
pub async fn a_summary_that_is_being_sent_when_an_account_is_told_anew_tells_everything(
    store: Store,
) {
    let account = id();
    let to = Recipient::Account(account);
    for _ in 0..4 {
        act(&store, &to, KIND, START).await;
    }
    let due = START + SPACING;
    let leased = lease_one(&store, due).await;
    in_unit!(store, notices.tell_anew(account, due)).expect("the store answers");
    assert!(lease(&store, 10, due).await.is_empty(), "it has a worker");
    let told = told_in(close(&store, &leased, due).await);
    assert_eq!(told.map(|it| it.acts), Some(3));
}

pub async fn a_purge_forgets_what_was_told_a_day_ago_and_nothing_that_waits(store: Store) {
    let (quiet, waiting) = (me(), me());
    act(&store, &quiet, KIND, START).await;
    act(&store, &waiting, KIND, START).await;
    act(&store, &waiting, KIND, START).await;
    let day = START + Duration::DAY;
    assert_eq!(store.purge_expired(day).await.unwrap(), 0);
    let much_later = day + Duration::DAY;
    assert_eq!(store.purge_expired(much_later).await.unwrap(), 1);
    assert_eq!(send(&store, much_later).await.acts, 1);
    assert_eq!(act(&store, &quiet, KIND, much_later).await, Telling::AtOnce);
}
