//! Upkeep: what is purged and, above all, what is kept.

use authentication_app::ports::{FailureScope, NewAccount, QuotaGrant, SendRequest, TriesScope};
use authentication_domain::{
    challenges::{ChallengeRules, Purpose},
    protection::LockoutRules,
    sessions::EndReason,
};
use time::{Duration, OffsetDateTime};

use super::{
    Inspect, Store,
    challenges::{find, keep},
    messages::{lease, notice, park_one},
    support::{MANY, SignUp, assert_recorded, begin, is_live, sign_in, sign_in_record, somebody},
};
use crate::{
    builders::{
        id, idempotency_record, index_keys, new_challenge, send_request, sign_in_question, subject,
        token_digest,
    },
    clock::START,
};

const MOMENT: Duration = Duration::MICROSECOND;

async fn purge(store: &Store, now: OffsetDateTime) -> u64 {
    store.purge_expired(now).await.expect("the upkeep is done")
}

async fn fail(store: &Store, scope: FailureScope, now: OffsetDateTime) {
    let rules = LockoutRules::default();
    in_unit!(store, attempts.record_failure(scope, rules, now)).expect("a failure is counted");
}

pub async fn the_store_answers_a_ping(store: Store, _: &dyn Inspect) {
    store.ping().await.expect("the store is there");
}

pub async fn a_purge_keeps_what_is_alive(store: Store, _: &dyn Inspect) {
    let rules = ChallengeRules::default();
    let owner = somebody(&store).await;
    let keys = &owner.index;
    let session = sign_in(&store, owner.record.account.id).await;
    let challenge = keep(&store, new_challenge(keys, Purpose::PasswordReset)).await;
    let link = token_digest();
    let request = SendRequest {
        link: Some(link),
        ..send_request(keys.subject, Purpose::PasswordReset, START)
    };
    in_unit!(store, challenges.request_sending(&request, &rules)).unwrap();
    let answer = idempotency_record();
    in_unit!(store, idempotency.record(&answer, START)).unwrap();
    assert_eq!(purge(&store, START).await, 0);

    // Each is kept until its last moment.
    purge(&store, START + rules.link_lifetime - MOMENT).await;
    assert!(store.find_reset_link(link).await.unwrap().is_some());
    purge(&store, challenge.expires_at - MOMENT).await;
    assert!(find(&store, challenge.digest).await.is_some());
    let moment = answer.expires_at - MOMENT;
    purge(&store, moment).await;
    assert_eq!(
        store
            .find_idempotency_record(answer.key, moment)
            .await
            .unwrap(),
        Some(answer)
    );
    let moment = START + session.idle - MOMENT;
    purge(&store, moment).await;
    assert!(is_live(&store, session.id, moment).await);

    purge_keeps_counters(&store).await;
}

async fn purge_keeps_counters(store: &Store) {
    let scope = |subject| FailureScope {
        subject,
        device: None,
    };
    let window = LockoutRules::default().window;
    let (counted, locked) = (index_keys(), index_keys());
    fail(store, scope(counted.subject), START).await;
    purge(store, START + window - MOMENT).await;
    assert!(sign_in_record(store, &counted).await.failures.is_some());

    // The fifth failure comes at the end of the window, and its lock holds for another window.
    fail(store, scope(locked.subject), START).await;
    let last = START + window - Duration::SECOND;
    for _ in 0..4 {
        fail(store, scope(locked.subject), last).await;
    }
    let moment = last + window - MOMENT;
    purge(store, moment).await;
    let failures = sign_in_record(store, &locked)
        .await
        .failures
        .expect("still counted");
    assert!(failures.locked_for(moment).is_some());

    let tries = TriesScope {
        subject: subject(),
        purpose: Purpose::SignIn,
        device: None,
    };
    let window = ChallengeRules::TRIES_WINDOW;
    let guess = async |now| in_unit!(store, attempts.count_try(tries, 2, window, now)).unwrap();
    assert_eq!(guess(START).await, Some(1));
    let moment = START + window - MOMENT;
    purge(store, moment).await;
    assert_eq!(guess(moment).await, Some(2));

    let rules = ChallengeRules::default();
    let recipient = subject();
    let claim = async |now| {
        in_unit!(
            store,
            challenges.claim_message_quota(recipient, &rules, now)
        )
        .unwrap()
    };
    for message in 0..rules.messages_per_day {
        let hour = message / rules.messages_per_hour;
        assert_eq!(
            claim(START + Duration::HOUR * hour).await,
            QuotaGrant::Granted
        );
    }
    let moment = START + Duration::DAY - MOMENT;
    purge(store, moment).await;
    let retry_at = START + Duration::DAY;
    assert_eq!(claim(moment).await, QuotaGrant::Exhausted { retry_at });
}

pub async fn a_purge_removes_what_expired(store: Store, inspect: &dyn Inspect) {
    let rules = ChallengeRules::default();
    let owner: NewAccount = somebody(&store).await;
    sign_in(&store, owner.record.account.id).await;
    let challenge = keep(&store, new_challenge(&owner.index, Purpose::SignIn)).await;
    let request = send_request(owner.index.subject, Purpose::SignIn, START);
    in_unit!(store, challenges.request_sending(&request, &rules)).unwrap();
    in_unit!(
        store,
        challenges.claim_message_quota(request.subject, &rules, START)
    )
    .unwrap();
    // Of an identifier without an account: failures in a row of an existing account are kept.
    let nobody = index_keys();
    let scope = FailureScope {
        subject: nobody.subject,
        device: None,
    };
    fail(&store, scope, START).await;
    let tries = TriesScope {
        subject: owner.index.subject,
        purpose: Purpose::SignIn,
        device: None,
    };
    let window = ChallengeRules::TRIES_WINDOW;
    in_unit!(store, attempts.count_try(tries, 15, window, START)).unwrap();
    let answer = idempotency_record();
    in_unit!(store, idempotency.record(&answer, START)).unwrap();

    let much_later = START + Duration::days(400);
    let removed = purge(&store, much_later).await;
    // Challenge, dispatch, message quota, failures, tries, recorded answer, session.
    assert_eq!(removed, 7);
    assert!(find(&store, challenge.digest).await.is_none());
    let sending = store.find_dispatch(request.subject, request.purpose).await;
    assert_eq!(sending.unwrap(), None);
    assert_eq!(sign_in_record(&store, &nobody).await.failures, None);
    assert_eq!(
        store
            .find_idempotency_record(answer.key, START)
            .await
            .unwrap(),
        None
    );
    assert_eq!(inspect.session_count().await, 0);
    assert_eq!(purge(&store, much_later).await, 0);
}

/// For any number of rows, over several batches.
pub async fn a_purge_counts_what_it_removes(store: Store, _: &dyn Inspect) {
    let many = 2_500;
    let mut unit = begin(&store).await;
    for _ in 0..many {
        let challenge = new_challenge(&index_keys(), Purpose::SignIn);
        unit.challenges().insert(&challenge).await.unwrap();
    }
    unit.commit().await.unwrap();
    let mut removed = 0;
    loop {
        match purge(&store, START + Duration::days(2)).await {
            0 => break,
            some => removed += some,
        }
    }
    assert_eq!(removed, many);
}

pub async fn an_ended_session_is_kept_for_thirty_days(store: Store, inspect: &dyn Inspect) {
    let account = somebody(&store).await.record.account.id;
    let signed_out = sign_in(&store, account).await;
    let reason = EndReason::SignedOut;
    in_unit!(store, sessions.end(signed_out.id, account, reason, START)).unwrap();
    let thirty_days = Duration::days(30);
    purge(&store, START + thirty_days - Duration::SECOND).await;
    assert_eq!(inspect.session_count().await, 1);
    purge(&store, START + thirty_days + Duration::SECOND).await;
    assert_eq!(inspect.session_count().await, 0);

    // A session that was not ended is purged thirty days after it expired.
    let expired = sign_in(&store, account).await;
    purge(
        &store,
        START + expired.idle + thirty_days - Duration::SECOND,
    )
    .await;
    assert_eq!(inspect.session_count().await, 1);
    purge(
        &store,
        expired.absolute_deadline + thirty_days + Duration::SECOND,
    )
    .await;
    assert_eq!(inspect.session_count().await, 0);
}

pub async fn a_purge_touches_no_account_and_no_record(store: Store, inspect: &dyn Inspect) {
    let sign_up = SignUp::new();
    sign_up.commit(&store).await.unwrap();
    let owner = &sign_up.account;
    let (account, device) = (owner.record.account.id, id());
    in_unit!(store, devices.remember(account, device, MANY, START)).unwrap();
    assert_recorded(inspect, 1).await;
    // One message waits to be sent, another is parked.
    notice(&store, START - Duration::MINUTE).await;
    park_one(&store, START - Duration::MINUTE, "a reason").await;

    let much_later = START + Duration::days(400);
    purge(&store, much_later).await;
    let record = store
        .sign_in_record(sign_in_question(&owner.index, Some(device)))
        .await
        .unwrap();
    assert_eq!(record.account.as_ref(), Some(&owner.record));
    assert_eq!(record.password, owner.password);
    assert_eq!(record.device, Some(device));
    assert_eq!(inspect.audit_entries().await.len(), 1);
    assert_eq!(inspect.event_types().await.len(), 1);
    assert_eq!(inspect.message_count().await, 2);
    assert_eq!(lease(&store, 10, much_later).await.len(), 1);
}
