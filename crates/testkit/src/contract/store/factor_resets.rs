//! Resets of second factors.

use authentication_app::ports::{FactorReset, MessageKind, Recipient};
use authentication_domain::accounts::{AccountId, AccountStatus};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{register, somebody, wins},
};
use crate::{
    builders::{id, message_order, new_account_in},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const REASON: &str = "ticket 4711";
const WAIT: Duration = Duration::hours(72);

async fn ask(store: &Store, account: AccountId) -> bool {
    let asked = store.ask_for_factor_reset(account, REASON, START).await;
    asked.expect("the store answers")
}

async fn owner(store: &Store) -> AccountId {
    somebody(store).await.record.account.id
}

async fn to_do(store: &Store, now: OffsetDateTime) -> Vec<FactorReset> {
    let listed = store.list_factor_resets_to_do(10, now).await;
    listed.expect("the store answers")
}

async fn announce(store: &Store, account: AccountId) -> bool {
    let due_at = START + WAIT;
    in_unit!(store, factor_resets.announce(account, START, due_at)).expect("the store answers")
}

/// Records that the notice was sent: the waiting time ends after [`WAIT`].
async fn begin_wait(store: &Store) {
    let begun = store.begin_waits_of_resets(START, START + WAIT).await;
    assert_eq!(begun.expect("the store answers"), 1);
}

async fn claim(store: &Store, account: AccountId, now: OffsetDateTime) -> bool {
    in_unit!(store, factor_resets.claim_due(account, now)).expect("the store answers")
}

pub async fn a_reset_is_asked_for_once(store: Store) {
    let account = owner(&store).await;
    assert_eq!(store.find_factor_reset(account).await.unwrap(), None);
    let asked = fifty_at_once(|_| {
        let store = store.clone();
        async move { ask(&store, account).await }
    })
    .await;
    assert_eq!(wins(&asked), 1);
    let expected = FactorReset {
        account,
        reason: REASON.to_owned(),
        announced: false,
        due_at: None,
        called_off: false,
    };
    let found = store.find_factor_reset(account).await.unwrap();
    assert_eq!(found, Some(expected.clone()));
    assert_eq!(to_do(&store, START).await, [expected]);
    assert!(!ask(&store, id()).await, "nobody has nothing to lose");
}

pub async fn a_closed_account_has_no_reset(store: Store) {
    let closed = new_account_in(AccountStatus::Deleted { since: START });
    let closed = register(&store, closed).await.record.account.id;
    assert!(!ask(&store, closed).await);
    assert_eq!(to_do(&store, START).await, []);
}

pub async fn a_reset_is_to_be_announced_and_then_carried_out_when_it_is_due(store: Store) {
    let account = owner(&store).await;
    assert!(ask(&store, account).await);
    assert!(
        !claim(&store, account, START + WAIT * 9).await,
        "before it was told"
    );
    assert!(announce(&store, account).await);
    assert!(!announce(&store, account).await);
    assert!(!ask(&store, account).await, "the wait does not begin anew");
    assert_eq!(
        to_do(&store, START + WAIT * 9).await,
        [],
        "before it has left"
    );
    assert!(!claim(&store, account, START + WAIT * 9).await);
    begin_wait(&store).await;
    let last_moment = START + WAIT - Duration::MICROSECOND;
    assert_eq!(to_do(&store, last_moment).await, []);
    assert!(!claim(&store, account, last_moment).await);
    let due = to_do(&store, START + WAIT).await;
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].due_at, Some(START + WAIT));
    assert!(claim(&store, account, START + WAIT).await);
    assert_eq!(to_do(&store, START + WAIT).await, []);
}

pub async fn whoever_calls_it_off_keeps_it_from_being_carried_out(store: Store) {
    let account = owner(&store).await;
    assert!(ask(&store, account).await);
    assert!(announce(&store, account).await);
    begin_wait(&store).await;
    let drop = || async { in_unit!(store, factor_resets.drop_called_off(account)).unwrap() };
    assert!(!drop().await, "nobody called it off");
    assert!(in_unit!(store, factor_resets.call_off(account)).unwrap());
    assert!(!in_unit!(store, factor_resets.call_off(account)).unwrap());
    assert!(!claim(&store, account, START + WAIT).await);
    assert!(!announce(&store, account).await);
    assert!(ask(&store, account).await, "it may be asked for again");
    // As an operator does it: a node records the outcome later.
    assert!(announce(&store, account).await);
    begin_wait(&store).await;
    let withdraw = || async { store.withdraw_factor_reset(account, START).await.unwrap() };
    assert!(withdraw().await);
    assert!(!withdraw().await);
    assert!(!claim(&store, account, START + WAIT).await);
    let [left] = <[_; 1]>::try_from(to_do(&store, START + WAIT).await).expect("once");
    assert!(left.called_off);
    assert!(drop().await);
    assert!(!drop().await);
}

/// Only the notice of this reset counts, not another notice to the same owner or that of an earlier reset.
pub async fn the_wait_begins_when_the_notice_has_left(store: Store) {
    let (told, untold, called_off) = (
        owner(&store).await,
        owner(&store).await,
        owner(&store).await,
    );
    for account in [told, untold, called_off] {
        assert!(ask(&store, account).await);
        assert!(announce(&store, account).await);
    }
    let notice = MessageKind::FactorResetAnnounced;
    let earlier = START - Duration::MICROSECOND;
    for (kind, account, at) in [
        (notice, untold, START),
        (notice, told, earlier),
        (MessageKind::NewDevice, told, START),
    ] {
        let order = message_order(kind, Recipient::Account(account), at);
        in_unit!(store, outbox.append_message(&order)).unwrap();
    }
    assert!(
        store
            .withdraw_factor_reset(called_off, START)
            .await
            .unwrap()
    );
    let (now, due_at) = (START + WAIT, START + WAIT * 2);
    let begin = async || store.begin_waits_of_resets(now, due_at).await.unwrap();
    assert_eq!(begin().await, 1);
    assert_eq!(begin().await, 0, "it has begun");
    let found = async |account| store.find_factor_reset(account).await.unwrap().unwrap();
    assert_eq!(found(told).await.due_at, Some(due_at));
    assert_eq!(found(untold).await.due_at, None);
    assert!(!claim(&store, told, due_at - Duration::MICROSECOND).await);
    assert!(claim(&store, told, due_at).await);
    assert!(
        !claim(&store, untold, due_at + WAIT * 9).await,
        "nobody told them"
    );
}

pub async fn of_fifty_that_carry_it_out_one_does(store: Store) {
    for _ in 0..ROUNDS {
        let account = owner(&store).await;
        assert!(ask(&store, account).await);
        assert!(announce(&store, account).await);
        begin_wait(&store).await;
        let claimed = fifty_at_once(|_| {
            let store = store.clone();
            async move { claim(&store, account, START + WAIT).await }
        })
        .await;
        assert_eq!(wins(&claimed), 1);
    }
}

pub async fn factors_are_removed_only_in_the_version_that_was_read(store: Store) {
    let account = owner(&store).await;
    assert!(in_unit!(store, factor_resets.remove_factors(account, 1, START)).unwrap());
    assert!(!in_unit!(store, factor_resets.remove_factors(account, 1, START)).unwrap());
    let (record, _) = store.credentials_of(account).await.unwrap().unwrap();
    assert_eq!(record.account.version, 2);
}
