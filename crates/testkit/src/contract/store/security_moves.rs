//! What was issued under one version of an account is void under the next, whatever caused the new version.

use authentication_app::ports::{
    CeremonyQuestion, CodeDispatch, IdentifierSwap, IndexKeys, MovesSeen, NewAccount, NewCeremony,
    NewNonce, NonceUse, SendRequest, StoreError, UnitOfWork,
};
use authentication_domain::{
    accounts::{AccountId, SignUpMethod},
    challenges::{ChallengeRules, Purpose},
    opaque_token::TokenDigest,
    passkeys::CeremonyPurpose,
    sessions::SessionId,
};
use time::Duration;

use super::{
    Store,
    codes::{dispatch_of, send, use_code},
    support::{retrying, somebody, wins},
};
use crate::{
    builders::{
        id, index_keys, new_ceremony, new_flow, new_nonce, nonce, nonce_use, passkey,
        password_hash, sealed, send_request, token_digest,
    },
    clock::START,
    race::{ROUNDS, at_once},
};

/// Every change that advances the account's version.
#[derive(Debug, Clone, Copy)]
enum Move {
    NewPassword,
    LockedPassword,
    NewIdentifier,
    Advance,
    FactorsChanged,
    FactorsRemoved,
}

impl Move {
    const ALL: [Self; 6] = [
        Self::NewPassword,
        Self::LockedPassword,
        Self::NewIdentifier,
        Self::Advance,
        Self::FactorsChanged,
        Self::FactorsRemoved,
    ];

    async fn make(
        self,
        unit: &mut dyn UnitOfWork,
        account: AccountId,
        version: i64,
        index: &IndexKeys,
    ) -> Result<bool, StoreError> {
        match self {
            Self::NewPassword => {
                let hash = password_hash();
                unit.accounts()
                    .set_password(account, version, &hash, None, START)
                    .await
            }
            Self::LockedPassword => unit.accounts().lock_password(account, version, START).await,
            Self::NewIdentifier => {
                let swap = IdentifierSwap {
                    account,
                    read_version: version,
                    identifier: &sealed(),
                    method: SignUpMethod::Email,
                    index,
                    reserve_until: Some(START + Duration::DAY),
                    now: START,
                };
                unit.accounts().change_identifier(swap).await
            }
            Self::Advance => unit.accounts().advance(account, version, START).await,
            Self::FactorsChanged => {
                let factors = unit.second_factors();
                factors.factors_changed(account, version, START).await
            }
            Self::FactorsRemoved => {
                let resets = unit.factor_resets();
                resets.remove_factors(account, version, START).await
            }
        }
    }

    /// Makes the move in a unit and commits it. `index` is that of the new identifier, if the move sets one.
    async fn happen(
        self,
        store: &Store,
        account: AccountId,
        version: i64,
        index: &IndexKeys,
    ) -> bool {
        let moved = retrying(|| async {
            let mut unit = store.begin().await?;
            let moved = self.make(unit.as_mut(), account, version, index).await?;
            unit.commit().await?;
            Ok(moved)
        });
        moved.await.expect("the store answers")
    }

    async fn happen_to(self, store: &Store, owner: &NewAccount) -> bool {
        let account = &owner.record.account;
        self.happen(store, account.id, account.version, &index_keys())
            .await
    }
}

/// Requests a code for each purpose, with a link where the purpose has one.
async fn send_everything(store: &Store, recipient: &IndexKeys) -> Vec<SendRequest> {
    let mut sent = Vec::new();
    for purpose in Purpose::ALL {
        let request = SendRequest {
            link: (purpose == Purpose::PasswordReset).then(token_digest),
            ..send_request(recipient.subject, purpose, START)
        };
        send(store, &request).await;
        sent.push(request);
    }
    sent
}

async fn counts(store: &Store, sent: &SendRequest) -> bool {
    let found = store.find_dispatch(sent.subject, sent.purpose).await;
    let is_current = found.expect("the store answers").map(|it| it.nonce) == Some(sent.nonce);
    if let Some(link) = sent.link {
        let found = store.find_reset_link(link).await;
        assert_eq!(found.expect("the store answers").is_some(), is_current);
    }
    is_current
}

pub async fn nothing_that_was_sent_outlives_a_move(store: Store) {
    for moved in Move::ALL {
        let (owner, other) = (somebody(&store).await, somebody(&store).await);
        let sent = send_everything(&store, &owner.index).await;
        let others = send_everything(&store, &other.index).await;
        assert!(moved.happen_to(&store, &owner).await);
        for request in sent {
            assert!(!counts(&store, &request).await, "{moved:?} {request:?}");
            let used = use_code(&store, request.subject, request.purpose, request.nonce).await;
            assert!(!used, "{moved:?} {request:?}");
            // A new request is granted immediately: the void dispatch imposes no cool-down.
            let again = SendRequest {
                nonce: nonce(),
                ..request
            };
            let current: CodeDispatch = send(&store, &again).await;
            assert_eq!(current, dispatch_of(&again), "{moved:?}");
            assert!(use_code(&store, again.subject, again.purpose, again.nonce).await);
        }
        for request in others {
            assert!(counts(&store, &request).await, "{moved:?} {request:?}");
        }
    }
}

pub async fn a_move_that_does_not_happen_does_away_with_nothing(store: Store) {
    for moved in Move::ALL {
        let owner = somebody(&store).await;
        let account = owner.record.account.id;
        let sent = send_everything(&store, &owner.index).await;
        let begun = Begun::of(&store, account).await;
        let stale = owner.record.account.version + 1;
        assert!(!moved.happen(&store, account, stale, &index_keys()).await);
        for request in sent {
            assert!(counts(&store, &request).await, "{moved:?} {request:?}");
        }
        begun.assert_counts(&store, true, moved).await;
    }
}

pub async fn a_new_identifier_comes_without_what_was_sent_to_it(store: Store) {
    let owner = somebody(&store).await;
    let account = owner.record.account.id;
    let (first, second) = (index_keys(), index_keys());
    let version = owner.record.account.version;
    let sent = send_everything(&store, &first).await;
    let swap = Move::NewIdentifier;
    assert!(swap.happen(&store, account, version, &first).await);
    for request in sent {
        assert!(!counts(&store, &request).await, "{request:?}");
    }
    // Codes sent to the previous identifier, which is reserved now, are void too when it comes back.
    let reserved = send_everything(&store, &owner.index).await;
    assert!(swap.happen(&store, account, version + 1, &second).await);
    for request in reserved {
        assert!(!counts(&store, &request).await, "{request:?}");
    }
}

/// One of each flow that does not store its account's version.
struct Begun {
    account: AccountId,
    anonymous: NewCeremony,
    enrolment: NewCeremony,
    credential: authentication_domain::passkeys::CredentialDigest,
    sign_in: TokenDigest,
    session: SessionId,
    in_session: TokenDigest,
    seen: MovesSeen,
}

impl Begun {
    async fn of(store: &Store, account: AccountId) -> Self {
        let passkey = passkey(account);
        in_unit!(store, passkeys.insert(&passkey)).expect("a passkey is kept");
        let anonymous = new_ceremony(CeremonyPurpose::SignIn);
        let enrolment = NewCeremony {
            account: Some(account),
            ..new_ceremony(CeremonyPurpose::Enrolment)
        };
        for ceremony in [&anonymous, &enrolment] {
            in_unit!(store, passkeys.begin_ceremony(ceremony)).expect("it is kept");
        }
        let session = id();
        let sign_in = new_nonce();
        let in_session = NewNonce {
            session: Some(session),
            ..new_nonce()
        };
        for nonce in [&sign_in, &in_session] {
            in_unit!(store, federation.keep_nonce(nonce)).expect("it is kept");
        }
        let flow = new_flow();
        in_unit!(store, federation.keep_flow(&flow)).expect("it is kept");
        let claimed = in_unit!(
            store,
            federation.claim_flow(crate::builders::flow_return(&flow))
        );
        in_unit!(store, second_factors.begin_totp(account, &sealed(), START)).expect("it is kept");
        Self {
            account,
            anonymous,
            enrolment,
            credential: passkey.digest,
            sign_in: sign_in.digest,
            session,
            in_session: in_session.digest,
            seen: claimed.unwrap().expect("a flow").seen,
        }
    }

    async fn assert_counts(&self, store: &Store, expected: bool, after: Move) {
        let account = Some(self.account);
        let found = async |ceremony: &NewCeremony, credential| {
            let question = CeremonyQuestion {
                holder: ceremony.holder,
                purpose: ceremony.purpose,
                credential,
                device: None,
                now: START,
            };
            let found = store.find_ceremony(question).await;
            found.expect("the store answers").is_some()
        };
        let is_there = match after {
            // The passkey was removed with the factors: the ceremony, which has no account, is live but finds none.
            Move::FactorsRemoved => expected,
            _ => found(&self.anonymous, Some(self.credential)).await,
        };
        assert_eq!(is_there, expected, "{after:?}: a sign-in with a passkey");
        assert!(
            found(&self.anonymous, None).await,
            "{after:?}: it is over for this account alone"
        );
        let is_there = found(&self.enrolment, None).await;
        assert_eq!(is_there, expected, "{after:?}: an enrolment of a passkey");
        let sign_in = NonceUse {
            account,
            ..nonce_use(self.sign_in)
        };
        let used = in_unit!(store, federation.use_nonce(sign_in)).unwrap();
        assert_eq!(used, expected, "{after:?}: a nonce");
        let in_session = NonceUse {
            account,
            session: Some(self.session),
            ..nonce_use(self.in_session)
        };
        let used = in_unit!(store, federation.use_nonce(in_session)).unwrap();
        assert_eq!(used, expected, "{after:?}: a nonce of a session");
        let (account, seen) = (self.account, self.seen);
        let moved = in_unit!(store, accounts.moved_since(account, seen)).unwrap();
        assert_eq!(!moved, expected, "{after:?}: a flow");
        let totp = store.totp_state(account).await.unwrap();
        let is_there = totp.pending.is_some();
        assert_eq!(is_there, expected, "{after:?}: an authenticator app");
    }
}

pub async fn nothing_that_was_begun_outlives_a_move(store: Store) {
    for moved in Move::ALL {
        let (owner, other) = (somebody(&store).await, somebody(&store).await);
        let mut account = owner.record.account.clone();
        let others = Begun::of(&store, other.record.account.id).await;
        let before = Begun::of(&store, account.id).await;
        assert!(moved.happen_to(&store, &owner).await);
        account.version += 1;
        before.assert_counts(&store, false, moved).await;
        others.assert_counts(&store, true, Move::Advance).await;
        Begun::of(&store, account.id)
            .await
            .assert_counts(&store, true, Move::Advance)
            .await;
    }
}

/// Using a code up and a concurrent move of the account: exactly one succeeds, and then the code is void.
pub async fn of_a_code_and_a_move_at_once_one_counts(store: Store) {
    for _ in 0..ROUNDS {
        for moved in Move::ALL {
            let owner = somebody(&store).await;
            let account = owner.record.account.clone();
            let sent = send_everything(&store, &owner.index).await;
            let reset = *sent
                .iter()
                .find(|it| it.purpose == Purpose::PasswordReset)
                .expect("one for each purpose");
            let done = at_once(2, |rival| {
                let (store, account) = (store.clone(), account.clone());
                async move {
                    if rival == 0 {
                        let index = index_keys();
                        let (id, version) = (account.id, account.version);
                        return moved.happen(&store, id, version, &index).await;
                    }
                    retrying(|| async {
                        let mut unit = store.begin().await?;
                        let SendRequest {
                            subject,
                            purpose,
                            nonce,
                            ..
                        } = reset;
                        let used = unit
                            .challenges()
                            .use_code(subject, purpose, nonce, START)
                            .await?;
                        let hash = password_hash();
                        let done = used
                            && unit
                                .accounts()
                                .set_password(account.id, account.version, &hash, None, START)
                                .await?;
                        if done {
                            unit.commit().await?;
                        }
                        Ok(done)
                    })
                    .await
                    .expect("the store answers")
                }
            })
            .await;
            assert_eq!(wins(&done), 1, "{moved:?}");
            assert!(!counts(&store, &reset).await, "{moved:?}");
        }
    }
}

/// The retention must exceed the lifetime of challenges, the longest of all flows.
pub async fn a_purge_removes_moves_that_nothing_is_older_than(store: Store) {
    let owner = somebody(&store).await;
    assert!(Move::Advance.happen_to(&store, &owner).await);
    let day = START + Duration::DAY;
    assert!(ChallengeRules::default().challenge_lifetime < Duration::DAY);
    assert_eq!(store.purge_expired(day).await.unwrap(), 0);
    let moment = Duration::MICROSECOND;
    assert_eq!(store.purge_expired(day + moment).await.unwrap(), 1);
    // What begins after the purge is valid, and the next move still voids it.
    let account = owner.record.account.id;
    let begun = Begun::of(&store, account).await;
    let version = owner.record.account.version + 1;
    let next = Move::Advance;
    assert!(next.happen(&store, account, version, &index_keys()).await);
    begun.assert_counts(&store, false, next).await;
}
