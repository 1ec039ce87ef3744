//! Challenges: the right to try the code for one recipient and purpose.

use authentication_app::ports::{ChallengeRecord, Channel, NewChallenge, TriesScope, TriesUsed};
use authentication_domain::{
    challenges::{ChallengeRules, Purpose},
    opaque_token::TokenDigest,
};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{MANY, begin, register, somebody, wins},
};
use crate::{
    builders::{
        id, index_keys, index_keys_amid_rotation, new_account, new_challenge, sealed, token_digest,
    },
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

pub(super) async fn keep(store: &Store, challenge: NewChallenge) -> NewChallenge {
    in_unit!(store, challenges.insert(&challenge)).expect("a challenge is kept");
    challenge
}

/// A challenge for an identifier without an account.
async fn kept(store: &Store) -> NewChallenge {
    keep(store, new_challenge(&index_keys(), Purpose::SignIn)).await
}

pub(super) async fn find(store: &Store, digest: TokenDigest) -> Option<ChallengeRecord> {
    let found = store.find_challenge(digest, None, START).await;
    found.expect("the store answers")
}

async fn get(store: &Store, digest: TokenDigest) -> ChallengeRecord {
    find(store, digest).await.expect("the challenge is there")
}

async fn guess(store: &Store, digest: TokenDigest, now: OffsetDateTime) -> Option<u32> {
    let rules = ChallengeRules::default();
    in_unit!(store, challenges.count_try(digest, &rules, now)).expect("a guess is counted")
}

async fn prove(store: &Store, digest: TokenDigest, now: OffsetDateTime) -> bool {
    let rules = ChallengeRules::default();
    in_unit!(store, challenges.consume(digest, &rules, now)).expect("a challenge is proven or not")
}

pub async fn a_challenge_is_found_as_it_was_kept(store: Store) {
    let recipient = index_keys_amid_rotation();
    let challenge = keep(&store, new_challenge(&recipient, Purpose::Registration)).await;
    let _other = kept(&store).await;
    let found = get(&store, challenge.digest).await;
    assert_eq!(found.subject, challenge.subject);
    assert_eq!(found.purpose, challenge.purpose);
    assert_eq!(found.channel, challenge.channel);
    assert_eq!(found.payload, challenge.payload);
    assert_eq!(found.expires_at, challenge.expires_at);
    assert!(!found.consumed);
    assert_eq!(found.dispatch, None, "nothing was sent");
    assert_eq!(found.tries, TriesUsed::default());
    assert_eq!((found.owner, found.device), (None, None));
}

pub async fn every_purpose_and_channel_survives_the_store(store: Store) {
    for purpose in Purpose::ALL {
        for channel in [Channel::Email, Channel::Sms] {
            let challenge = NewChallenge {
                channel,
                ..new_challenge(&index_keys(), purpose)
            };
            let challenge = keep(&store, challenge).await;
            let found = get(&store, challenge.digest).await;
            assert_eq!((found.purpose, found.channel), (purpose, channel));
        }
    }
}

pub async fn an_unknown_challenge_is_none(store: Store) {
    let _other = kept(&store).await;
    let unknown = token_digest();
    assert!(find(&store, unknown).await.is_none());
    assert_eq!(guess(&store, unknown, START).await, None);
    assert!(!prove(&store, unknown, START).await);
    assert_eq!(
        in_unit!(store, challenges.lock_live(unknown, START)).unwrap(),
        None
    );
}

pub async fn the_account_is_whoever_has_the_identifier_now(store: Store) {
    let recipient = index_keys();
    let challenge = keep(&store, new_challenge(&recipient, Purpose::Registration)).await;
    let _somebody_else = somebody(&store).await;
    assert_eq!(get(&store, challenge.digest).await.owner, None);
    let mut account = new_account();
    account.index = recipient;
    let account = register(&store, account).await;
    assert_eq!(
        get(&store, challenge.digest).await.owner,
        Some(account.record.account.id)
    );

    // Indexed under the older key only: a challenge stores the digest under every live key.
    let both = index_keys_amid_rotation();
    let mut older = both.clone();
    older.entries.remove(0);
    let mut account = new_account();
    account.index = older;
    let account = register(&store, account).await;
    let challenge = keep(&store, new_challenge(&both, Purpose::SignIn)).await;
    assert_eq!(
        get(&store, challenge.digest).await.owner,
        Some(account.record.account.id)
    );
}

pub async fn the_device_is_shown_if_it_is_the_accounts(store: Store) {
    let (owner, stranger) = (somebody(&store).await, somebody(&store).await);
    let (own, foreign) = (id(), id());
    for (account, device) in [(&owner, own), (&stranger, foreign)] {
        let account = account.record.account.id;
        in_unit!(store, devices.remember(account, device, MANY, START)).unwrap();
    }
    let challenge = keep(&store, new_challenge(&owner.index, Purpose::SignIn)).await;
    for (presented, shown) in [(own, Some(own)), (foreign, None), (id(), None)] {
        let found = store
            .find_challenge(challenge.digest, Some(presented), START)
            .await;
        assert_eq!(found.unwrap().expect("it is there").device, shown);
    }
}

pub async fn guesses_in_the_window_are_shown_beside_those_on_the_challenge(store: Store) {
    let owner = somebody(&store).await;
    let device = id();
    let account = owner.record.account.id;
    in_unit!(store, devices.remember(account, device, MANY, START)).unwrap();
    let first = keep(&store, new_challenge(&owner.index, Purpose::SignIn)).await;
    let second = keep(&store, new_challenge(&owner.index, Purpose::SignIn)).await;
    let other_purpose = keep(&store, new_challenge(&owner.index, Purpose::PasswordReset)).await;
    let unknown = TriesScope {
        subject: owner.index.subject,
        purpose: Purpose::SignIn,
        device: None,
    };
    let known = TriesScope {
        device: Some(device),
        ..unknown
    };
    let window = ChallengeRules::TRIES_WINDOW;
    for (scope, guesses) in [(unknown, 3), (known, 2)] {
        for _ in 0..guesses {
            in_unit!(store, attempts.count_try(scope, 15, window, START)).unwrap();
        }
    }
    guess(&store, first.digest, START).await;

    let tries = async |challenge: &NewChallenge, device, now| {
        let found = store.find_challenge(challenge.digest, device, now).await;
        let tries = found.unwrap().expect("it is there").tries;
        (
            tries.on_challenge,
            tries.in_window,
            tries.in_window_from_device,
        )
    };
    let last_moment = START + window - Duration::MICROSECOND;
    for now in [START, last_moment] {
        assert_eq!(tries(&first, Some(device), now).await, (1, 3, 2));
        assert_eq!(tries(&second, Some(device), now).await, (0, 3, 2));
        assert_eq!(tries(&second, None, now).await, (0, 3, 0));
        assert_eq!(tries(&second, Some(id()), now).await, (0, 3, 0));
        assert_eq!(tries(&other_purpose, Some(device), now).await, (0, 0, 0));
    }
    let after = START + window + Duration::MICROSECOND;
    assert_eq!(tries(&first, Some(device), after).await, (1, 0, 0));
}

pub async fn a_challenge_is_proven_once(store: Store) {
    let challenge = kept(&store).await;
    let other = kept(&store).await;
    assert!(prove(&store, challenge.digest, START).await);
    assert!(get(&store, challenge.digest).await.consumed);
    assert!(!prove(&store, challenge.digest, START).await);
    assert!(!get(&store, other.digest).await.consumed);
}

pub async fn of_fifty_proofs_of_one_challenge_one_wins(store: Store) {
    for _ in 0..ROUNDS {
        let challenge = kept(&store).await;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let digest = challenge.digest;
            async move { prove(&store, digest, START).await }
        })
        .await;
        assert_eq!(wins(&answers), 1);
    }
}

pub async fn a_challenge_out_of_tries_cannot_be_proven(store: Store) {
    let most = ChallengeRules::default().tries_per_challenge;
    let (one_left, none_left) = (kept(&store).await, kept(&store).await);
    for _ in 1..most {
        guess(&store, one_left.digest, START).await;
        guess(&store, none_left.digest, START).await;
    }
    guess(&store, none_left.digest, START).await;
    assert!(prove(&store, one_left.digest, START).await);
    assert!(!prove(&store, none_left.digest, START).await);
    assert!(!get(&store, none_left.digest).await.consumed);
}

pub async fn an_expired_challenge_is_dead_for_every_write(store: Store) {
    let challenge = kept(&store).await;
    let digest = challenge.digest;
    let end = challenge.expires_at;
    for now in [end, end + Duration::days(1)] {
        assert_eq!(guess(&store, digest, now).await, None);
        assert!(!prove(&store, digest, now).await);
        assert_eq!(
            in_unit!(store, challenges.lock_live(digest, now)).unwrap(),
            None
        );
    }
    let last_moment = end - Duration::MICROSECOND;
    assert_eq!(guess(&store, digest, last_moment).await, Some(1));
    assert!(
        in_unit!(store, challenges.lock_live(digest, last_moment))
            .unwrap()
            .is_some()
    );
    assert!(prove(&store, digest, last_moment).await);
}

pub async fn guesses_on_a_challenge_end_at_the_limit(store: Store) {
    let (challenge, other) = (kept(&store).await, kept(&store).await);
    let most = ChallengeRules::default().tries_per_challenge;
    for count in 1..=most {
        assert_eq!(guess(&store, challenge.digest, START).await, Some(count));
        assert_eq!(
            get(&store, challenge.digest).await.tries.on_challenge,
            count
        );
    }
    assert_eq!(guess(&store, challenge.digest, START).await, None);
    assert_eq!(get(&store, challenge.digest).await.tries.on_challenge, most);
    for (digest, expected) in [
        (challenge.digest, most),
        (other.digest, 0),
        (token_digest(), 0),
    ] {
        let tries = in_unit!(store, challenges.tries_of(digest));
        assert_eq!(tries.expect("the store answers"), expected);
    }
    assert_eq!(get(&store, other.digest).await.tries.on_challenge, 0);
}

pub async fn exactly_the_allowed_tries_of_fifty_at_once_count(store: Store) {
    for _ in 0..ROUNDS {
        let challenge = kept(&store).await;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let digest = challenge.digest;
            async move { guess(&store, digest, START).await }
        })
        .await;
        let mut counted: Vec<_> = answers.into_iter().flatten().collect();
        counted.sort_unstable();
        let most = ChallengeRules::default().tries_per_challenge;
        assert_eq!(counted, (1..=most).collect::<Vec<_>>());
    }
}

pub async fn a_proven_challenge_counts_no_further_guess(store: Store) {
    let challenge = kept(&store).await;
    assert_eq!(guess(&store, challenge.digest, START).await, Some(1));
    assert!(prove(&store, challenge.digest, START).await);
    assert_eq!(guess(&store, challenge.digest, START).await, None);
    assert_eq!(get(&store, challenge.digest).await.tries.on_challenge, 1);
    let resent = in_unit!(store, challenges.lock_live(challenge.digest, START));
    assert_eq!(resent.unwrap(), None);
}

/// Resending reads the challenge and does not extend it.
pub async fn a_live_challenge_can_be_resent(store: Store) {
    let challenge = NewChallenge {
        channel: Channel::Sms,
        payload: sealed(),
        ..new_challenge(&index_keys(), Purpose::PasswordReset)
    };
    let challenge = keep(&store, challenge).await;
    guess(&store, challenge.digest, START).await;
    let later = START + Duration::minutes(5);
    let mut unit = begin(&store).await;
    let live = unit.challenges().lock_live(challenge.digest, later).await;
    let live = live.unwrap().expect("it is live");
    unit.commit().await.unwrap();
    assert_eq!(live.subject, challenge.subject);
    assert_eq!(live.purpose, challenge.purpose);
    assert_eq!(live.channel, challenge.channel);
    assert_eq!(live.payload, challenge.payload);
    let after = get(&store, challenge.digest).await;
    assert_eq!(after.expires_at, challenge.expires_at);
    assert_eq!(after.tries.on_challenge, 1, "a resend buys no tries");
}
