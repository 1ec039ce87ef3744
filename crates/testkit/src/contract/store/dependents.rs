//! What still depends on a key, and on a subject made with it.

use authentication_app::ports::{
    Cleared, Dependents, FailureScope, NewSession, ServiceKeyRecord, Subject, SubjectWindows,
    TriesScope,
};
use authentication_domain::{
    challenges::{ChallengeRules, Purpose},
    credentials::PasswordHash,
    protection::LockoutRules,
    sessions::EndReason,
};
use common::Id;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    Store,
    rekeying::{NEW, OLD, count, count_at, somebody_under, under},
    support::{begin_session, register, sign_in, somebody},
};
use crate::{
    builders::{idempotency_record, new_account, new_session, send_request, subject},
    clock::START,
};

pub async fn data_keys_and_sessions_are_counted_by_their_keys(store: Store) {
    let person = somebody_under(&store, OLD).await.record;
    assert_eq!(count(&store, Dependents::DataKeys(OLD)).await, 1);
    assert_eq!(count(&store, Dependents::DataKeys(NEW)).await, 0);
    let service = ServiceKeyRecord {
        id: "1".to_owned(),
        wrapped: under(OLD),
    };
    store
        .keep_service_key(&service, START)
        .await
        .expect("a key");
    assert_eq!(count(&store, Dependents::ServiceKeys(OLD)).await, 1);
    assert_eq!(count(&store, Dependents::ServiceKeys(NEW)).await, 0);

    let account = person.account.id;
    let session = NewSession {
        refresh_key_id: "refresh-0".to_owned(),
        ..new_session(account)
    };
    begin_session(&store, &session).await;
    let ended = sign_in(&store, account).await;
    let of = Dependents::Sessions("refresh-0");
    assert_eq!(count(&store, of).await, 1);
    assert_eq!(count_at(&store, of, START + session.idle).await, 0);
    let current = Dependents::Sessions(&ended.refresh_key_id);
    assert_eq!(count(&store, current).await, 1);
    let reason = EndReason::SignedOut;
    let done = in_unit!(store, sessions.end(ended.id, account, reason, START));
    assert!(done.expect("an answer").is_some());
    assert_eq!(count(&store, current).await, 0);
}

pub async fn hashes_are_counted_by_their_pepper(store: Store) {
    for pepper in ["keyid=AAAA", "keyid=AAAA", "keyid=BBBB"] {
        let mut person = new_account();
        let hash = format!("$argon2id$v=19$m=8,t=1,p=1,{pepper}$c2FsdA$AAAA");
        person.password = Some(PasswordHash::from_encoded(hash));
        register(&store, person).await;
    }
    assert_eq!(count(&store, Dependents::Hashes("keyid=AAAA")).await, 2);
    assert_eq!(count(&store, Dependents::Hashes("keyid=CCCC")).await, 0);
}

pub async fn what_is_on_its_way_is_counted_by_its_time(store: Store) {
    let person = somebody(&store).await.record.account.id;
    let device = Id::from_uuid(Uuid::from_u128(9));
    let remembered = in_unit!(store, devices.remember(person, device, 20, START));
    remembered.expect("a device");
    let later = START + Duration::SECOND;
    assert_eq!(
        count(&store, Dependents::DevicesUnusedSince(later)).await,
        1
    );
    assert_eq!(
        count(&store, Dependents::DevicesUnusedSince(START)).await,
        0
    );

    let rules = ChallengeRules::default();
    let request = send_request(subject(), Purpose::SignIn, START);
    let sent = in_unit!(store, challenges.request_sending(&request, &rules));
    sent.expect("a sending");
    let live_for = Duration::HOUR;
    let sent_by = |at| Dependents::SendingsBefore { at, live_for };
    assert_eq!(count(&store, sent_by(START)).await, 1);
    assert_eq!(count(&store, sent_by(START - Duration::SECOND)).await, 0);
    assert_eq!(count_at(&store, sent_by(START), START + live_for).await, 0);
    let used = in_unit!(
        store,
        challenges.use_code(request.subject, request.purpose, request.nonce, START)
    );
    assert!(used.expect("an answer"));
    assert_eq!(count(&store, sent_by(START)).await, 0);

    let answer = idempotency_record();
    let recorded = in_unit!(store, idempotency.record(&answer, START));
    assert!(recorded.expect("an answer").is_none());
    let expiring_by = Dependents::AnswersExpiringBefore;
    let at = answer.expires_at;
    assert_eq!(count(&store, expiring_by(at)).await, 1);
    assert_eq!(count(&store, expiring_by(at - Duration::SECOND)).await, 0);
    assert_eq!(count_at(&store, expiring_by(at), at).await, 0);
    assert_eq!(count(&store, Dependents::ValuesUnder("master-1")).await, 0);
}

const WINDOWS: SubjectWindows = SubjectWindows {
    failures: Duration::minutes(15),
    tries: Duration::HOUR,
    messages: Duration::DAY,
};

async fn in_use(store: &Store, of: &[Subject], now: OffsetDateTime) -> Option<Subject> {
    let found = store.subject_in_use(of, WINDOWS, now).await;
    found.expect("an answer")
}

pub async fn a_subject_is_in_use_while_something_counts_for_it(store: Store) {
    let [failed, locked, guessed, told, nobody] = [(); 5].map(|()| subject());
    let rules = LockoutRules::default();
    let failures = |subject| FailureScope {
        subject,
        device: None,
    };
    let fails = [(failed, 1), (locked, rules.failures)];
    for (subject, times) in fails {
        for _ in 0..times {
            let counted = in_unit!(
                store,
                attempts.record_failure(failures(subject), rules, START)
            );
            counted.expect("an answer");
        }
    }
    let guess = TriesScope {
        subject: guessed,
        purpose: Purpose::SignIn,
        device: None,
    };
    let counted = in_unit!(store, attempts.count_try(guess, 5, Duration::HOUR, START));
    assert_eq!(counted.expect("an answer"), Some(1));
    let quota = ChallengeRules::default();
    let granted = in_unit!(store, challenges.claim_message_quota(told, &quota, START));
    granted.expect("an answer");

    for (subject, window) in [
        (failed, WINDOWS.failures),
        (locked, rules.window),
        (guessed, WINDOWS.tries),
        (told, WINDOWS.messages),
    ] {
        let candidates = [nobody, subject];
        let last = START + window - Duration::MICROSECOND;
        assert_eq!(in_use(&store, &candidates, START).await, Some(subject));
        assert_eq!(in_use(&store, &candidates, last).await, Some(subject));
        assert_eq!(in_use(&store, &candidates, START + window).await, None);
    }
    assert_eq!(in_use(&store, &[nobody], START).await, None);
    assert_eq!(in_use(&store, &[], START).await, None);
    let cleared = in_unit!(
        store,
        attempts.clear_failures(failures(failed), Cleared::Own, rules, START)
    );
    assert!(cleared.expect("an answer"));
    assert_eq!(in_use(&store, &[failed], START).await, None);
}
