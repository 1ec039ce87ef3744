//! Dispatches: which code a recipient was sent, and how often.

use authentication_app::ports::{CodeDispatch, SendRequest, Subject};
use authentication_domain::challenges::{ChallengeRules, CodeFormat, CodeNonce, Purpose};
use time::Duration;

use super::{
    Store,
    challenges::{find, keep},
    support::{begin, wins},
};
use crate::{
    builders::{index_keys, new_challenge, nonce, send_request, subject},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const MOMENT: Duration = Duration::MICROSECOND;

pub(super) fn cool_down() -> Duration {
    ChallengeRules::default().resend_after
}

pub(super) async fn send(store: &Store, request: &SendRequest) -> CodeDispatch {
    let rules = ChallengeRules::default();
    in_unit!(store, challenges.request_sending(request, &rules)).expect("a sending is asked for")
}

pub(super) async fn use_code(
    store: &Store,
    subject: Subject,
    purpose: Purpose,
    nonce: CodeNonce,
) -> bool {
    in_unit!(store, challenges.use_code(subject, purpose, nonce, START))
        .expect("a code is used or not")
}

async fn current(store: &Store, subject: Subject, purpose: Purpose) -> Option<CodeDispatch> {
    let found = store.find_dispatch(subject, purpose).await;
    found.expect("the store answers")
}

pub(super) fn dispatch_of(request: &SendRequest) -> CodeDispatch {
    CodeDispatch {
        nonce: request.nonce,
        sent_at: request.now,
        format: CodeFormat::Digits,
    }
}

pub async fn the_first_request_sends(store: Store) {
    let request = send_request(subject(), Purpose::SignIn, START);
    assert_eq!(
        current(&store, request.subject, request.purpose).await,
        None
    );
    assert_eq!(send(&store, &request).await, dispatch_of(&request));
    let found = current(&store, request.subject, request.purpose).await;
    assert_eq!(found, Some(dispatch_of(&request)));
}

pub async fn within_the_cool_down_nothing_new_is_sent(store: Store) {
    let first = send_request(subject(), Purpose::SignIn, START);
    send(&store, &first).await;
    // Also for a node with a lagging clock.
    for now in [
        START,
        START + cool_down() - MOMENT,
        START - Duration::seconds(5),
    ] {
        let again = SendRequest {
            nonce: nonce(),
            now,
            ..first
        };
        assert_eq!(send(&store, &again).await, dispatch_of(&first));
    }
    assert_eq!(
        current(&store, first.subject, first.purpose).await,
        Some(dispatch_of(&first))
    );
    // The cool-down applies per recipient and purpose.
    for other in [
        SendRequest {
            nonce: nonce(),
            subject: subject(),
            ..first
        },
        SendRequest {
            nonce: nonce(),
            purpose: Purpose::PasswordReset,
            ..first
        },
    ] {
        assert_eq!(send(&store, &other).await, dispatch_of(&other));
    }
}

pub async fn after_the_cool_down_the_newest_code_counts(store: Store) {
    let first = send_request(subject(), Purpose::SignIn, START);
    let second = SendRequest {
        nonce: nonce(),
        now: START + cool_down(),
        ..first
    };
    let third = SendRequest {
        nonce: nonce(),
        now: second.now + cool_down(),
        ..first
    };
    for request in [first, second, third] {
        assert_eq!(send(&store, &request).await, dispatch_of(&request));
        let found = current(&store, request.subject, request.purpose).await;
        assert_eq!(found, Some(dispatch_of(&request)));
    }
    let too_early = SendRequest {
        nonce: nonce(),
        now: third.now + cool_down() - MOMENT,
        ..first
    };
    assert_eq!(
        send(&store, &too_early).await,
        dispatch_of(&third),
        "it counts from the last one"
    );
}

pub async fn the_cool_down_holds_after_the_code_was_used(store: Store) {
    let first = send_request(subject(), Purpose::SignIn, START);
    send(&store, &first).await;
    assert!(use_code(&store, first.subject, first.purpose, first.nonce).await);
    let again = SendRequest {
        nonce: nonce(),
        now: START + cool_down() - MOMENT,
        ..first
    };
    assert_eq!(send(&store, &again).await, dispatch_of(&first));
    assert_eq!(
        current(&store, first.subject, first.purpose).await,
        None,
        "the used one stays used"
    );
    let later = SendRequest {
        nonce: nonce(),
        now: START + cool_down(),
        ..first
    };
    assert_eq!(send(&store, &later).await, dispatch_of(&later));
    assert_eq!(
        current(&store, first.subject, first.purpose).await,
        Some(dispatch_of(&later))
    );
    assert!(use_code(&store, first.subject, first.purpose, later.nonce).await);
}

pub async fn fifty_requests_at_once_send_once(store: Store) {
    let recipient = subject();
    for round in 0..ROUNDS {
        let now = START + cool_down() * u32::try_from(round).unwrap();
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let request = send_request(recipient, Purpose::SignIn, now);
            async move { (request.nonce, send(&store, &request).await) }
        })
        .await;
        let (_, sent) = answers[0];
        assert_eq!(sent.sent_at, now);
        assert!(
            answers.iter().all(|(_, answer)| *answer == sent),
            "all are told of one sending"
        );
        let sending = answers.iter().filter(|(own, answer)| *own == answer.nonce);
        assert_eq!(sending.count(), 1, "one of them sends");
    }
}

pub async fn a_sending_is_shown_on_every_challenge_of_its_recipient_and_purpose(store: Store) {
    let recipient = index_keys();
    let earlier = keep(&store, new_challenge(&recipient, Purpose::SignIn)).await;
    let request = send_request(recipient.subject, Purpose::SignIn, START);
    send(&store, &request).await;
    let later = keep(&store, new_challenge(&recipient, Purpose::SignIn)).await;
    let other_purpose = keep(&store, new_challenge(&recipient, Purpose::PasswordReset)).await;
    let other_recipient = keep(&store, new_challenge(&index_keys(), Purpose::SignIn)).await;
    let shown = async |digest| find(&store, digest).await.expect("it is there").dispatch;
    for challenge in [&earlier, &later] {
        assert_eq!(shown(challenge.digest).await, Some(dispatch_of(&request)));
    }
    assert_eq!(shown(other_purpose.digest).await, None);
    assert_eq!(shown(other_recipient.digest).await, None);
    assert!(use_code(&store, recipient.subject, Purpose::SignIn, request.nonce).await);
    for challenge in [&earlier, &later] {
        assert_eq!(shown(challenge.digest).await, None, "the code was used");
    }
}

pub async fn a_code_is_used_once(store: Store) {
    let request = send_request(subject(), Purpose::SignIn, START);
    send(&store, &request).await;
    assert!(use_code(&store, request.subject, request.purpose, request.nonce).await);
    assert!(!use_code(&store, request.subject, request.purpose, request.nonce).await);
    assert_eq!(
        current(&store, request.subject, request.purpose).await,
        None
    );
}

pub async fn only_the_newest_code_of_the_right_recipient_and_purpose_is_used(store: Store) {
    let old = send_request(subject(), Purpose::SignIn, START);
    let new = SendRequest {
        nonce: nonce(),
        now: START + cool_down(),
        ..old
    };
    let other_purpose = SendRequest {
        nonce: nonce(),
        purpose: Purpose::PasswordReset,
        ..old
    };
    let other_recipient = SendRequest {
        nonce: nonce(),
        subject: subject(),
        ..old
    };
    for request in [old, new, other_purpose, other_recipient] {
        send(&store, &request).await;
    }
    for wrong in [
        old.nonce,
        other_purpose.nonce,
        other_recipient.nonce,
        nonce(),
    ] {
        assert!(!use_code(&store, old.subject, Purpose::SignIn, wrong).await);
    }
    assert!(
        !use_code(&store, subject(), Purpose::SignIn, new.nonce).await,
        "nothing was sent to them"
    );
    assert!(use_code(&store, old.subject, Purpose::SignIn, new.nonce).await);
    for other in [other_purpose, other_recipient] {
        assert!(use_code(&store, other.subject, other.purpose, other.nonce).await);
    }
}

pub async fn of_fifty_uses_of_one_code_one_wins(store: Store) {
    let recipient = subject();
    for round in 0..4 * ROUNDS {
        let now = START + cool_down() * u32::try_from(round).unwrap();
        let request = send_request(recipient, Purpose::SignIn, now);
        send(&store, &request).await;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { use_code(&store, request.subject, request.purpose, request.nonce).await }
        })
        .await;
        assert_eq!(wins(&answers), 1);
    }
}

pub async fn an_undone_use_leaves_the_code_as_it_was(store: Store) {
    let request = send_request(subject(), Purpose::SignIn, START);
    send(&store, &request).await;
    let mut unit = begin(&store).await;
    let used = unit
        .challenges()
        .use_code(request.subject, request.purpose, request.nonce, START)
        .await;
    assert!(used.unwrap());
    drop(unit);
    assert_eq!(
        current(&store, request.subject, request.purpose).await,
        Some(dispatch_of(&request))
    );
    assert!(use_code(&store, request.subject, request.purpose, request.nonce).await);
}
