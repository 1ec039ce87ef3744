//! Second factors and pending sign-ins: single-use values are used once, whatever happens concurrently.

use authentication_app::ports::{
    NewAccount, NewPendingSignIn, PendingSignInRecord, Sealed, TotpRecord, TotpState, TriesScope,
};
use authentication_domain::{
    accounts::{AccountId, SignUpMethod},
    challenges::Purpose,
    mfa::{RecoveryCodeDigest, SecondFactors, TotpRules, TotpStep},
    opaque_token::TokenDigest,
};
use common::access::AuthenticationMethod;
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    codes::{send, use_code},
    support::{MANY, somebody, wins},
};
use crate::{
    builders::{
        id, pending_sign_in, recovery_code, sealed, send_request, sign_in_question, token_digest,
    },
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const MOST: u32 = 5;

async fn find(store: &Store, digest: TokenDigest) -> Option<PendingSignInRecord> {
    let found = store
        .find_pending_sign_in(digest, START - Duration::HOUR)
        .await;
    found.expect("the store answers")
}

async fn keep(store: &Store, owner: &NewAccount) -> TokenDigest {
    let sign_in = pending_sign_in(owner);
    in_unit!(store, second_factors.keep_pending(&sign_in)).expect("it is kept");
    sign_in.digest
}

async fn complete(store: &Store, digest: TokenDigest, now: OffsetDateTime) -> bool {
    in_unit!(store, second_factors.complete_pending(digest, MOST, now)).expect("an answer")
}

async fn count_try(store: &Store, digest: TokenDigest, now: OffsetDateTime) -> Option<u32> {
    in_unit!(store, second_factors.count_pending_try(digest, MOST, now)).expect("an answer")
}

async fn totp(store: &Store, account: AccountId) -> TotpState {
    store.totp_state(account).await.expect("the store answers")
}

async fn begin_totp(store: &Store, account: AccountId) -> Sealed {
    let secret = sealed();
    in_unit!(store, second_factors.begin_totp(account, &secret, START)).expect("it is kept");
    secret
}

async fn confirm(store: &Store, account: AccountId, read: &Sealed, step: i64) -> bool {
    let step = TotpStep(step);
    in_unit!(
        store,
        second_factors.confirm_totp(account, read, step, START)
    )
    .expect("an answer")
}

async fn use_step(store: &Store, account: AccountId, step: i64) -> bool {
    let step = TotpStep(step);
    in_unit!(store, second_factors.use_totp_step(account, step, MANY)).expect("an answer")
}

async fn with_totp(store: &Store) -> NewAccount {
    let owner = somebody(store).await;
    let account = owner.record.account.id;
    let secret = begin_totp(store, account).await;
    assert!(confirm(store, account, &secret, 7).await);
    owner
}

async fn factors(store: &Store, account: AccountId) -> SecondFactors {
    let (record, _) = store
        .credentials_of(account)
        .await
        .expect("the store answers")
        .expect("it is there");
    record.second_factors
}

pub async fn a_waiting_sign_in_is_found_as_it_was_kept(store: Store) {
    let owner = with_totp(&store).await;
    let device = id();
    let account = owner.record.account.id;
    in_unit!(store, devices.remember(account, device, MANY, START)).unwrap();
    let mut sign_in = pending_sign_in(&owner);
    sign_in.device = Some(device);
    sign_in.came_over = Some(SignUpMethod::Email);
    sign_in.first = AuthenticationMethod::OneTimeCode;
    in_unit!(store, second_factors.keep_pending(&sign_in)).unwrap();
    let sent = send_request(owner.index.subject, Purpose::SecondFactor, START);
    send(&store, &sent).await;

    let found = find(&store, sign_in.digest).await.expect("it was kept");
    assert_eq!(format!("{:?}", found.sign_in), format!("{sign_in:?}"));
    assert_eq!(found.owner.account, owner.record.account);
    assert!(found.owner.second_factors.totp);
    assert_eq!(
        (found.consumed, found.tries, found.tries_in_window),
        (false, 0, 0)
    );
    assert!(found.totp.is_some());
    assert_eq!(found.dispatch.map(|it| it.nonce), Some(sent.nonce));
    assert!(use_code(&store, sent.subject, sent.purpose, sent.nonce).await);
    let found = find(&store, sign_in.digest)
        .await
        .expect("it is still there");
    assert_eq!(found.dispatch, None);
    assert!(find(&store, token_digest()).await.is_none());
}

/// So that strangers who know the password cannot lock the owner out.
pub async fn guesses_are_shown_of_the_device_that_the_sign_in_comes_from(store: Store) {
    let owner = somebody(&store).await;
    let device = id();
    let from_known = NewPendingSignIn {
        device: Some(device),
        ..pending_sign_in(&owner)
    };
    in_unit!(store, second_factors.keep_pending(&from_known)).unwrap();
    let from_unknown = keep(&store, &owner).await;
    for (device, guesses) in [(None, 3), (Some(device), 1), (Some(id()), 2)] {
        for _ in 0..guesses {
            let scope = TriesScope {
                subject: owner.index.subject,
                purpose: Purpose::SecondFactor,
                device,
            };
            let counted = in_unit!(
                store,
                attempts.count_try(scope, MANY, Duration::HOUR, START)
            );
            assert!(counted.unwrap().is_some());
        }
    }
    for (digest, guesses) in [(from_unknown, 3), (from_known.digest, 1)] {
        let found = find(&store, digest).await.expect("it was kept");
        assert_eq!(found.tries_in_window, guesses);
        let later = store.find_pending_sign_in(digest, START).await.unwrap();
        let later = later.expect("it was kept");
        assert_eq!(later.tries_in_window, 0, "the window has passed");
    }
}

pub async fn of_fifty_completions_of_one_sign_in_one_wins(store: Store) {
    let owner = somebody(&store).await;
    for _ in 0..ROUNDS {
        let digest = keep(&store, &owner).await;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { complete(&store, digest, START).await }
        })
        .await;
        assert_eq!(wins(&answers), 1);
        assert!(find(&store, digest).await.is_some_and(|it| it.consumed));
        assert_eq!(count_try(&store, digest, START).await, None);
    }
}

pub async fn a_waiting_sign_in_takes_so_many_wrong_answers_and_no_more(store: Store) {
    let owner = somebody(&store).await;
    let digest = keep(&store, &owner).await;
    let counted = fifty_at_once(|_| {
        let store = store.clone();
        async move { count_try(&store, digest, START).await.is_some() }
    })
    .await;
    assert_eq!(wins(&counted), usize::try_from(MOST).unwrap());
    assert!(!complete(&store, digest, START).await);
}

pub async fn a_waiting_sign_in_ends_in_time_and_with_all_others(store: Store) {
    let owner = somebody(&store).await;
    let late = keep(&store, &owner).await;
    let until = START + Duration::minutes(10);
    assert!(!complete(&store, late, until).await);
    assert_eq!(count_try(&store, late, until).await, None);
    assert!(complete(&store, late, until - Duration::MICROSECOND).await);
    let (mine, others) = (keep(&store, &owner).await, somebody(&store).await);
    let others = keep(&store, &others).await;
    in_unit!(store, second_factors.end_pending(owner.record.account.id)).unwrap();
    assert!(find(&store, mine).await.is_none());
    assert!(find(&store, others).await.is_some());
}

pub async fn an_authenticator_app_counts_once_it_is_confirmed(store: Store) {
    let account = somebody(&store).await.record.account.id;
    assert_eq!(totp(&store, account).await, TotpState::default());
    let first = begin_totp(&store, account).await;
    let second = begin_totp(&store, account).await;
    assert!(
        !confirm(&store, account, &first, 7).await,
        "another took its place"
    );
    assert!(!factors(&store, account).await.totp);
    assert!(!use_step(&store, account, 8).await, "none counts yet");
    assert!(confirm(&store, account, &second, 7).await);
    assert!(!confirm(&store, account, &second, 7).await, "once");
    assert!(factors(&store, account).await.totp);
    // The next enrolment leaves the active secret unchanged until it is confirmed.
    let third = begin_totp(&store, account).await;
    let state = totp(&store, account).await;
    let active = TotpRecord {
        secret: second,
        last_step: Some(TotpStep(7)),
        failures: 0,
    };
    assert_eq!(state.active, Some(active));
    assert_eq!(state.pending, Some((third, START)));
}

pub async fn a_step_counts_once_and_none_before_it_does(store: Store) {
    let account = with_totp(&store).await.record.account.id;
    assert!(
        !use_step(&store, account, 7).await,
        "its confirmation used it"
    );
    for step in [8, 10, 13] {
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { use_step(&store, account, step).await }
        })
        .await;
        assert_eq!(wins(&answers), 1);
        assert!(!use_step(&store, account, step - 1).await);
    }
}

pub async fn failures_in_a_row_close_an_authenticator_app(store: Store) {
    let account = with_totp(&store).await.record.account.id;
    let fail = async || in_unit!(store, second_factors.count_totp_failure(account)).unwrap();
    let use_within = async |step, most| {
        let step = TotpStep(step);
        in_unit!(store, second_factors.use_totp_step(account, step, most)).unwrap()
    };
    assert_eq!((fail().await, fail().await), (Some(1), Some(2)));
    assert!(!use_within(8, 2).await);
    assert!(use_within(8, 3).await);
    assert_eq!(fail().await, Some(1), "a success forgets them");
    let nobody = id();
    let none = in_unit!(store, second_factors.count_totp_failure(nobody)).unwrap();
    assert_eq!(none, None);
}

pub async fn an_authenticator_app_is_taken_away_once(store: Store) {
    let owner = with_totp(&store).await;
    let account = owner.record.account.id;
    let remove = async || in_unit!(store, second_factors.remove_totp(account)).unwrap();
    assert!(remove().await);
    assert!(!remove().await);
    begin_totp(&store, account).await;
    assert!(!remove().await, "one that was not confirmed was none");
    assert_eq!(totp(&store, account).await, TotpState::default());
}

async fn use_recovery(store: &Store, account: AccountId, code: RecoveryCodeDigest) -> Option<u32> {
    in_unit!(
        store,
        second_factors.use_recovery_code(account, code, START)
    )
    .expect("an answer")
}

pub async fn a_recovery_code_counts_once_for_its_account(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let (account, other) = (owner.record.account.id, other.record.account.id);
    let codes: Vec<_> = (0..ROUNDS).map(|_| recovery_code()).collect();
    let put = in_unit!(
        store,
        second_factors.replace_recovery_codes(account, &codes, START)
    );
    put.unwrap();
    assert!(factors(&store, account).await.recovery_codes);
    for (used, code) in (1..).zip(codes.iter().copied()) {
        assert_eq!(use_recovery(&store, other, code).await, None);
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { use_recovery(&store, account, code).await }
        })
        .await;
        let left: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(left, [u32::try_from(codes.len()).unwrap() - used]);
    }
    assert!(!factors(&store, account).await.recovery_codes);
}

pub async fn recovery_codes_used_at_once_are_counted_one_by_one(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let codes: Vec<_> = (0..50).map(|_| recovery_code()).collect();
    in_unit!(
        store,
        second_factors.replace_recovery_codes(account, &codes, START)
    )
    .unwrap();
    let left = fifty_at_once(|number| {
        let (store, code) = (store.clone(), codes[number]);
        async move { use_recovery(&store, account, code).await }
    })
    .await;
    let mut left: Vec<u32> = left.into_iter().flatten().collect();
    left.sort_unstable();
    assert_eq!(left, (0..50).collect::<Vec<_>>());
}

pub async fn a_fresh_set_of_recovery_codes_voids_the_old_one(store: Store) {
    let account = somebody(&store).await.record.account.id;
    let (old, fresh) = (recovery_code(), recovery_code());
    for set in [&[old][..], &[fresh]] {
        in_unit!(
            store,
            second_factors.replace_recovery_codes(account, set, START)
        )
        .unwrap();
    }
    assert_eq!(use_recovery(&store, account, old).await, None);
    assert_eq!(use_recovery(&store, account, fresh).await, Some(0));
    in_unit!(
        store,
        second_factors.replace_recovery_codes(account, &[], START)
    )
    .unwrap();
    assert!(!factors(&store, account).await.recovery_codes);
}

pub async fn a_change_of_factors_is_a_change_of_the_account(store: Store) {
    let owner = somebody(&store).await;
    let (account, device) = (owner.record.account.id, id());
    in_unit!(store, devices.remember(account, device, MANY, START)).unwrap();
    let until = START + Duration::days(30);
    let remembered = in_unit!(store, devices.remember_until(account, device, until));
    assert!(remembered.unwrap());
    let foreign = in_unit!(store, devices.remember_until(account, id(), until));
    assert!(!foreign.unwrap());
    let read = async || {
        let question = sign_in_question(&owner.index, Some(device));
        let record = store.sign_in_record(question).await.unwrap();
        let version = record.account.unwrap().account.version;
        (version, record.device_remembered_until)
    };
    assert_eq!(read().await, (1, Some(until)));
    let version = owner.record.account.version;
    let change = async |read_version| {
        in_unit!(
            store,
            second_factors.factors_changed(account, read_version, START)
        )
        .unwrap()
    };
    assert!(!change(version + 1).await, "it is at another version");
    assert!(change(version).await);
    assert!(!change(version).await, "it has moved on");
    assert_eq!(read().await, (2, None));
}

/// A secret that was never confirmed is purged when its time is over; an active one is kept, with or without a
/// pending one.
pub async fn a_purge_removes_secrets_that_were_never_confirmed(store: Store) {
    let (unconfirmed, confirmed) = (somebody(&store).await, with_totp(&store).await);
    let (unconfirmed, confirmed) = (unconfirmed.record.account.id, confirmed.record.account.id);
    for account in [unconfirmed, confirmed] {
        begin_totp(&store, account).await;
    }
    let end = START + TotpRules::ENROLMENT;
    assert_eq!(store.purge_expired(end).await.unwrap(), 0);
    let later = end + Duration::MICROSECOND;
    assert_eq!(store.purge_expired(later).await.unwrap(), 1);
    assert!(totp(&store, unconfirmed).await.pending.is_none());
    assert!(totp(&store, confirmed).await.active.is_some());
}

pub async fn a_purge_removes_sign_ins_that_nobody_completed(store: Store) {
    let owner = somebody(&store).await;
    let waiting = pending_sign_in(&owner);
    in_unit!(store, second_factors.keep_pending(&waiting)).unwrap();
    assert_eq!(store.purge_expired(waiting.expires_at).await.unwrap(), 0);
    let later = waiting.expires_at + Duration::MICROSECOND;
    assert_eq!(store.purge_expired(later).await.unwrap(), 1);
    assert!(find(&store, waiting.digest).await.is_none());
}
