//! Failures in a row, over any period: of passwords and of codes.

use authentication_app::ports::{
    Cleared, CodeDispatch, CountedGuess, FailureScope, Guess, NewAccount, SendRequest,
    SignInQuestion, Subject, TriesScope,
};
use authentication_domain::{
    challenges::{ChallengeRules, CodeFormat, Purpose},
    protection::LockoutRules,
    sessions::DeviceId,
};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    challenges::{find, keep},
    codes::{cool_down, send},
    support::{MANY, begin, sign_in_record, somebody},
};
use crate::{
    builders::{id, index_keys, new_challenge, nonce, send_request, sign_in_question, subject},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const NO_DEVICE: Option<DeviceId> = None;
const HUNDRED: u32 = 100;

/// Rules under which no lock interferes.
fn rules() -> LockoutRules {
    LockoutRules {
        failures: 1_000,
        ..LockoutRules::default()
    }
}

/// Rules under which no window interferes.
fn code_rules() -> ChallengeRules {
    ChallengeRules {
        tries_per_window: 1_000,
        ..ChallengeRules::default()
    }
}

const fn scope(subject: Subject, device: Option<DeviceId>) -> FailureScope {
    FailureScope { subject, device }
}

const fn tries(subject: Subject, purpose: Purpose, device: Option<DeviceId>) -> TriesScope {
    TriesScope {
        subject,
        purpose,
        device,
    }
}

/// Counts one more failure; returns the number in a row.
async fn fail(store: &Store, scope: FailureScope, now: OffsetDateTime) -> Option<u32> {
    let counted = in_unit!(store, attempts.record_failure(scope, rules(), now));
    counted.expect("an answer").map(|counter| counter.in_a_row)
}

async fn fail_times(store: &Store, scope: FailureScope, times: u32) {
    let mut unit = begin(store).await;
    for _ in 0..times {
        let counted = unit.attempts().record_failure(scope, rules(), START).await;
        assert!(counted.expect("an answer").is_some());
    }
    unit.commit().await.expect("they are counted");
}

async fn clear(store: &Store, scope: FailureScope, cleared: Cleared) -> bool {
    in_unit!(
        store,
        attempts.clear_failures(scope, cleared, rules(), START)
    )
    .expect("an answer")
}

const WRONG: Guess = Guess {
    of: CodeFormat::Digits,
    right: false,
};
const RIGHT: Guess = Guess {
    of: CodeFormat::Digits,
    right: true,
};

async fn guess(
    store: &Store,
    scope: TriesScope,
    guess: Guess,
    now: OffsetDateTime,
) -> Option<CountedGuess> {
    let rules = code_rules();
    in_unit!(store, attempts.count_guess(scope, guess, &rules, now)).expect("an answer")
}

async fn guess_times(store: &Store, scope: TriesScope, times: u32) {
    let rules = code_rules();
    let mut unit = begin(store).await;
    for _ in 0..times {
        let counted = unit
            .attempts()
            .count_guess(scope, WRONG, &rules, START)
            .await;
        assert!(counted.expect("an answer").is_some());
    }
    unit.commit().await.expect("they are counted");
}

pub async fn of_fifty_failures_at_once_a_row_has_exactly_a_hundred(store: Store) {
    for _ in 0..ROUNDS {
        let scope = scope(subject(), NO_DEVICE);
        fail_times(&store, scope, HUNDRED - 25).await;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { fail(&store, scope, START).await }
        })
        .await;
        let mut counted: Vec<_> = answers.into_iter().flatten().collect();
        counted.sort_unstable();
        assert_eq!(counted, (76..=HUNDRED).collect::<Vec<_>>());
    }
}

pub async fn a_full_row_of_failures_counts_nothing_until_it_ends(store: Store) {
    let owner = somebody(&store).await;
    let stranger = scope(owner.index.subject, NO_DEVICE);
    fail_times(&store, stranger, HUNDRED).await;
    let before = sign_in_record(&store, &owner.index).await.failures;
    assert_eq!(before.map(|counter| counter.in_a_row), Some(HUNDRED));
    for later in [Duration::ZERO, Duration::DAY, Duration::days(365)] {
        assert_eq!(fail(&store, stranger, START + later).await, None);
    }
    // Not even a correct password clears it: the refused caller must not learn that it was correct.
    for cleared in [Cleared::Own, Cleared::InARowOfAll] {
        assert!(!clear(&store, stranger, cleared).await);
    }
    assert_eq!(sign_in_record(&store, &owner.index).await.failures, before);
    let subjects = [owner.index.subject, subject()];
    in_unit!(store, attempts.forget_in_a_row(&subjects)).unwrap();
    assert_eq!(fail(&store, stranger, START).await, Some(1));
}

/// Slow failures: each falls into a window of its own.
pub async fn a_row_outlives_its_windows_and_ends_with_a_success(store: Store) {
    let scope = scope(subject(), NO_DEVICE);
    for count in 1..=5 {
        let now = START + Duration::DAY * count;
        assert_eq!(fail(&store, scope, now).await, Some(count));
    }
    assert!(clear(&store, scope, Cleared::Own).await);
    let later = START + Duration::days(6);
    assert_eq!(fail(&store, scope, later).await, Some(1));
}

/// A sign-in ends the failures in a row of strangers, but not the lock that they caused.
pub async fn a_sign_in_ends_the_rows_of_every_scope_and_no_lock(store: Store) {
    let owner = somebody(&store).await;
    let (account, phone) = (owner.record.account.id, id());
    in_unit!(store, devices.remember(account, phone, MANY, START)).unwrap();
    let subject = owner.index.subject;
    let (stranger, known) = (scope(subject, NO_DEVICE), scope(subject, Some(phone)));
    let lock = LockoutRules::default();
    for _ in 0..lock.failures {
        in_unit!(store, attempts.record_failure(stranger, lock, START)).unwrap();
    }
    fail_times(&store, known, 3).await;
    let seen = async || {
        let record = store.sign_in_record(sign_in_question(&owner.index, Some(phone)));
        let record = record.await.expect("the store answers");
        let of_stranger = record.failures.expect("there are some");
        let own = record.device_failures.map(|it| it.in_a_row);
        let is_locked = of_stranger.locked_for(START).is_some();
        (of_stranger.in_a_row, is_locked, own)
    };
    assert_eq!(seen().await, (5, true, Some(3)));
    assert!(clear(&store, known, Cleared::Own).await);
    assert_eq!(seen().await, (5, true, None));
    assert!(clear(&store, known, Cleared::InARowOfAll).await);
    assert_eq!(seen().await, (0, true, None));
}

/// So that the response to a closed-out caller takes no longer if the identifier has an account.
pub async fn whoever_is_closed_out_has_no_account_read(store: Store) {
    let owner = somebody(&store).await;
    let (account, phone) = (owner.record.account.id, id());
    in_unit!(store, devices.remember(account, phone, MANY, START)).unwrap();
    let is_read = async |device, spared_when_locked_at| {
        let question = SignInQuestion {
            spared_when_locked_at,
            ..sign_in_question(&owner.index, device)
        };
        let record = store.sign_in_record(question).await;
        record.expect("the store answers").account.is_some()
    };
    let much_later = Some(START + Duration::days(90));
    fail_times(&store, scope(owner.index.subject, NO_DEVICE), HUNDRED - 1).await;
    assert!(is_read(None, much_later).await);
    fail_times(&store, scope(owner.index.subject, NO_DEVICE), 1).await;
    assert!(!is_read(None, much_later).await);
    assert!(!is_read(Some(id()), much_later).await);
    assert!(is_read(Some(phone), much_later).await);
    assert!(is_read(None, None).await);
}

pub async fn of_fifty_guesses_at_once_a_row_has_exactly_a_hundred(store: Store) {
    for round in 0..ROUNDS {
        let scope = tries(subject(), Purpose::SignIn, NO_DEVICE);
        guess_times(&store, scope, HUNDRED - 25).await;
        // A correct guess concurrent with the others either is one of those with room, or gets no answer.
        let right = round % 2 == 1;
        let answers = fifty_at_once(|number| {
            let store = store.clone();
            let it = if right && number == 49 { RIGHT } else { WRONG };
            async move { guess(&store, scope, it, START).await }
        })
        .await;
        let mut counted: Vec<_> = answers.iter().flatten().map(|it| it.in_a_row).collect();
        counted.sort_unstable();
        if right {
            assert!(counted.iter().all(|count| *count <= HUNDRED), "{counted:?}");
        } else {
            assert_eq!(counted, (76..=HUNDRED).collect::<Vec<_>>());
        }
    }
}

pub async fn rows_of_guesses_are_apart_by_recipient_purpose_and_device(store: Store) {
    let full = tries(subject(), Purpose::SignIn, NO_DEVICE);
    guess_times(&store, full, HUNDRED).await;
    for later in [Duration::ZERO, Duration::days(365)] {
        for it in [WRONG, RIGHT] {
            assert_eq!(guess(&store, full, it, START + later).await, None);
        }
    }
    for other in [
        tries(subject(), Purpose::SignIn, NO_DEVICE),
        tries(full.subject, Purpose::PasswordReset, NO_DEVICE),
        tries(full.subject, Purpose::SignIn, Some(id())),
    ] {
        let first = guess(&store, other, WRONG, START).await;
        assert_eq!(first.map(|it| it.in_a_row), Some(1));
    }
}

pub async fn a_right_code_ends_its_row_and_a_long_one_is_not_counted_in_it(store: Store) {
    let scope = tries(subject(), Purpose::SignIn, NO_DEVICE);
    let in_a_row = async |it| {
        let counted = guess(&store, scope, it, START).await;
        counted.map(|it| it.in_a_row)
    };
    assert_eq!(in_a_row(WRONG).await, Some(1));
    assert_eq!(in_a_row(WRONG).await, Some(2));
    assert_eq!(in_a_row(RIGHT).await, Some(0));
    guess_times(&store, scope, HUNDRED).await;
    let long = |right| Guess {
        of: CodeFormat::Long,
        right,
    };
    for _ in 0..3 {
        assert_eq!(in_a_row(long(false)).await, Some(HUNDRED));
    }
    assert_eq!(in_a_row(WRONG).await, None);
    assert_eq!(in_a_row(long(true)).await, Some(0));
    assert_eq!(in_a_row(WRONG).await, Some(1));
}

/// The limit per window still applies.
pub async fn a_guess_has_to_have_room_in_its_window(store: Store) {
    let rules = ChallengeRules::default();
    let scope = tries(subject(), Purpose::SignIn, NO_DEVICE);
    let guess = async |it, now| {
        let counted = in_unit!(store, attempts.count_guess(scope, it, &rules, now));
        let counted = counted.expect("an answer");
        counted.map(|it| (it.in_window, it.in_a_row))
    };
    for count in 1..=rules.tries_per_window {
        assert_eq!(guess(WRONG, START).await, Some((count, count)));
    }
    assert_eq!(guess(WRONG, START).await, None);
    assert_eq!(guess(RIGHT, START).await, None);
    let next = START + ChallengeRules::TRIES_WINDOW;
    assert_eq!(guess(WRONG, next).await, Some((1, 16)));
}

async fn format_of(store: &Store, request: &SendRequest) -> CodeFormat {
    let sent: CodeDispatch = send(store, request).await;
    let found = store.find_dispatch(request.subject, request.purpose).await;
    assert_eq!(found.expect("the store answers"), Some(sent));
    sent.format
}

/// A dispatch keeps its format; that of the next one depends on the count at that time.
pub async fn after_a_full_row_the_next_code_is_long(store: Store) {
    let recipient = index_keys();
    let challenge = keep(&store, new_challenge(&recipient, Purpose::SignIn)).await;
    for device in [NO_DEVICE, Some(id())] {
        let recipient = if device.is_some() {
            subject()
        } else {
            recipient.subject
        };
        let scope = tries(recipient, Purpose::SignIn, device);
        guess_times(&store, scope, HUNDRED - 1).await;
        let first = send_request(recipient, Purpose::SignIn, START);
        assert_eq!(format_of(&store, &first).await, CodeFormat::Digits);
        guess_times(&store, scope, 1).await;
        let next = |now| SendRequest {
            nonce: nonce(),
            now,
            ..first
        };
        let too_early = START + cool_down() - Duration::MICROSECOND;
        assert_eq!(
            format_of(&store, &next(too_early)).await,
            CodeFormat::Digits,
            "what was sent stays what it is"
        );
        let other = send_request(recipient, Purpose::PasswordReset, START);
        assert_eq!(format_of(&store, &other).await, CodeFormat::Digits);
        let long = next(START + cool_down());
        assert_eq!(format_of(&store, &long).await, CodeFormat::Long);
        in_unit!(store, attempts.forget_in_a_row(&[recipient])).unwrap();
        let too_early = next(long.now + cool_down() - Duration::MICROSECOND);
        assert_eq!(format_of(&store, &too_early).await, CodeFormat::Long);
        if device.is_none() {
            let shown = find(&store, challenge.digest).await.expect("it is there");
            assert_eq!(shown.format(), CodeFormat::Long);
        }
        let short = next(long.now + cool_down());
        assert_eq!(format_of(&store, &short).await, CodeFormat::Digits);
    }
}

pub async fn a_challenge_tells_of_rows_whatever_their_windows(store: Store) {
    let owner: NewAccount = somebody(&store).await;
    let (account, phone) = (owner.record.account.id, id());
    in_unit!(store, devices.remember(account, phone, MANY, START)).unwrap();
    let challenge = keep(&store, new_challenge(&owner.index, Purpose::SignIn)).await;
    let subject = owner.index.subject;
    let seen = async |device| {
        let later = challenge.expires_at + Duration::days(30);
        let found = store.find_challenge(challenge.digest, device, later).await;
        let found = found.expect("the store answers").expect("it is there");
        let tries = found.tries;
        assert_eq!((tries.in_window, tries.in_window_from_device), (0, 0));
        (
            tries.in_a_row,
            tries.in_a_row_from_device,
            found.failures_in_a_row,
        )
    };
    assert_eq!(seen(Some(phone)).await, (0, 0, false));
    guess_times(&store, tries(subject, Purpose::SignIn, NO_DEVICE), 3).await;
    guess_times(&store, tries(subject, Purpose::SignIn, Some(phone)), 2).await;
    assert_eq!(seen(Some(phone)).await, (3, 2, true));
    assert_eq!(seen(None).await, (3, 0, true));
    in_unit!(store, attempts.forget_subject(subject)).unwrap();
    assert_eq!(seen(Some(phone)).await, (0, 0, false));
    // Failures of passwords are reported too, because a sign-in ends them.
    fail_times(&store, scope(subject, NO_DEVICE), 1).await;
    assert_eq!(seen(None).await, (0, 0, true));
}

pub async fn forgetting_an_account_opens_everything_of_its_identifier(store: Store) {
    let owner = somebody(&store).await;
    let (subject, other) = (owner.index.subject, index_keys().subject);
    for subject in [subject, other] {
        for device in [NO_DEVICE, Some(id())] {
            fail_times(&store, scope(subject, device), HUNDRED).await;
        }
        guess_times(&store, tries(subject, Purpose::SignIn, NO_DEVICE), HUNDRED).await;
    }
    in_unit!(store, attempts.forget_account(owner.record.account.id)).unwrap();
    let code = tries(subject, Purpose::SignIn, NO_DEVICE);
    assert_eq!(
        fail(&store, scope(subject, NO_DEVICE), START).await,
        Some(1)
    );
    let first = guess(&store, code, WRONG, START).await;
    assert_eq!(first.map(|it| (it.in_window, it.in_a_row)), Some((1, 1)));
    assert_eq!(fail(&store, scope(other, NO_DEVICE), START).await, None);
}

/// Waiting does not help a guesser if there is an account; without an account, no rows are kept.
pub async fn rows_of_nobody_leave_after_thirty_days_and_those_of_somebody_stay(store: Store) {
    let (owner, nobody) = (somebody(&store).await, index_keys());
    for subject in [owner.index.subject, nobody.subject] {
        fail_times(&store, scope(subject, NO_DEVICE), 3).await;
        guess_times(&store, tries(subject, Purpose::SignIn, NO_DEVICE), 3).await;
    }
    let thirty_days = START + Duration::days(30);
    let purge = async |now| store.purge_expired(now).await.expect("upkeep is done");
    assert_eq!(purge(thirty_days - Duration::MICROSECOND).await, 0);
    assert!(sign_in_record(&store, &nobody).await.failures.is_some());
    assert_eq!(purge(thirty_days + Duration::MICROSECOND).await, 2);
    assert_eq!(sign_in_record(&store, &nobody).await.failures, None);
    assert_eq!(purge(START + Duration::days(4_000)).await, 0);
    let kept = sign_in_record(&store, &owner.index).await.failures;
    assert_eq!(kept.map(|counter| counter.in_a_row), Some(3));
}
