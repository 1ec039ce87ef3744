//! Codes, sessions, passkeys, and identities at providers.

use authentication_app::ports::{
    CeremonyQuestion, ChallengeQueries as _, FederationQueries as _, Guess, MovesSeen, NewAccount,
    NewCeremony, NewSession, NonceUse, PasskeyQueries as _, SendRequest, SessionQueries as _,
    TriesScope, UnitOfWorkFactory as _,
};
use authentication_domain::{
    challenges::{ChallengeRules, CodeFormat, Purpose},
    federation::ProviderName,
    passkeys::CeremonyPurpose,
    sessions::{EndReason, RotationRules},
};
use common::{
    access::{AuthenticationMethod, Renewal},
    page::PageRequest,
};
use identity_adapters_postgres::Store;
use testkit::{
    builders::{
        federation_question, flow_return, id, new_ceremony, new_challenge, new_flow, new_identity,
        new_nonce, new_session, nonce_use, passkey, passkey_use, sealed, send_request,
        token_digest,
    },
    clock::START,
};
use time::Duration;

pub(super) async fn write_federation(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let (identity, nonce, flow) = (new_identity(account), new_nonce(), new_flow());
    let mut unit = store.begin().await.unwrap();
    let federation = unit.federation();
    federation.link(&identity).await.unwrap();
    federation.keep_nonce(&nonce).await.unwrap();
    let brought = NonceUse {
        device: Some(id()),
        session: Some(id()),
        account: Some(account),
        ..nonce_use(nonce.digest)
    };
    federation.use_nonce(brought).await.unwrap();
    federation.opens(identity.digest, account).await.unwrap();
    federation.keep_flow(&flow).await.unwrap();
    federation.claim_flow(flow_return(&flow)).await.unwrap();
    federation.release_flow(flow.state, START).await.unwrap();
    unit.challenges()
        .void_codes(owner.index.subject, START)
        .await
        .unwrap();
    unit.accounts().advance(account, 0, START).await.unwrap();
    unit.accounts()
        .moved_since(account, MovesSeen(0))
        .await
        .unwrap();
    unit.commit().await.unwrap();
    let question = federation_question(identity.digest, &owner.index);
    store.federation_record(question).await.unwrap();
    store.identities_of(account).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.federation()
        .unlink(account, ProviderName::GOOGLE)
        .await
        .unwrap();
}

pub(super) async fn write_codes(store: &Store, owner: &NewAccount) {
    let rules = ChallengeRules::default();
    let purpose = Purpose::PasswordReset;
    let challenge = new_challenge(&owner.index, purpose);
    let link = token_digest();
    let request = SendRequest {
        link: Some(link),
        ..send_request(owner.index.subject, purpose, START)
    };
    let tries = TriesScope {
        subject: request.subject,
        purpose,
        device: None,
    };
    let mut unit = store.begin().await.unwrap();
    unit.challenges().insert(&challenge).await.unwrap();
    unit.challenges()
        .request_sending(&request, &rules)
        .await
        .unwrap();
    unit.challenges()
        .claim_message_quota(request.subject, &rules, START)
        .await
        .unwrap();
    unit.challenges()
        .lock_live(challenge.digest, START)
        .await
        .unwrap();
    unit.challenges()
        .count_try(challenge.digest, &rules, START)
        .await
        .unwrap();
    unit.attempts()
        .count_try(tries, 15, Duration::HOUR, START)
        .await
        .unwrap();
    let guess = Guess {
        of: CodeFormat::Digits,
        right: false,
    };
    unit.attempts()
        .count_guess(tries, guess, &rules, START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
    store
        .find_challenge(challenge.digest, Some(id()), START)
        .await
        .unwrap();
    store.find_reset_link(link).await.unwrap();
    store.find_dispatch(request.subject, purpose).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.challenges()
        .consume(challenge.digest, &rules, START)
        .await
        .unwrap();
    unit.challenges()
        .use_code(request.subject, purpose, request.nonce, START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
}

pub(super) async fn write_sessions(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let rules = RotationRules::default();
    let reason = EndReason::SignedOut;
    // The accounts were written before: a new password made each the second version.
    let sessions = [(); 4].map(|()| NewSession {
        account_version: 2,
        ..new_session(account)
    });
    let [first, second, ..] = &sessions;
    let mut unit = store.begin().await.unwrap();
    for session in &sessions {
        unit.sessions().begin(session, 3).await.unwrap();
    }
    unit.commit().await.unwrap();
    store.find_snapshot(second.id, START).await.unwrap();
    let page = PageRequest::new(None, Some(second.id)).unwrap();
    store.list_sessions(account, &page, START).await.unwrap();
    store.rotate(second.id, 0, rules, START).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    let renewal = Renewal::by(AuthenticationMethod::Passkey);
    unit.sessions()
        .prove_again(second.id, account, renewal, START)
        .await
        .unwrap();
    unit.sessions()
        .catch_up(second.id, 1_000, rules, START)
        .await
        .unwrap();
    unit.sessions()
        .forgive(second.id, 0, second.device, rules, START)
        .await
        .unwrap();
    unit.sessions()
        .end_reused(second.id, 7, rules, START)
        .await
        .unwrap();
    unit.sessions()
        .end(first.id, account, reason, START)
        .await
        .unwrap();
    unit.sessions()
        .end_all(account, Some(first.id), reason, START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
}

pub(super) async fn write_passkeys(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let (kept, gone) = (passkey(account), passkey(account));
    let purpose = CeremonyPurpose::Enrolment;
    let ceremony = NewCeremony {
        account: Some(account),
        ..new_ceremony(purpose)
    };
    let (holder, ceremony_id) = (ceremony.holder, ceremony.id);
    let mut unit = store.begin().await.unwrap();
    let passkeys = unit.passkeys();
    for _ in 0..2 {
        passkeys.begin_ceremony(&ceremony).await.unwrap();
    }
    for record in [&kept, &gone] {
        passkeys.insert(record).await.unwrap();
    }
    unit.commit().await.unwrap();
    let question = CeremonyQuestion {
        holder,
        purpose,
        credential: Some(kept.digest),
        device: Some(id()),
        now: START,
    };
    store.find_ceremony(question).await.unwrap();
    store.list_passkeys(account).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    let passkeys = unit.passkeys();
    passkeys
        .consume_ceremony(holder, purpose, ceremony_id, START)
        .await
        .unwrap();
    passkeys.note_use(&passkey_use(&kept)).await.unwrap();
    let name = sealed();
    passkeys
        .rename(account, kept.id, Some(&name))
        .await
        .unwrap();
    passkeys.remove(account, gone.id).await.unwrap();
    // Not the version that there is.
    unit.accounts().advance(account, 7, START).await.unwrap();
    unit.commit().await.unwrap();
}
