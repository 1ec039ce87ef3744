//! Identities at OpenID providers, and sign-ins in progress there.

use authentication_app::ports::{
    FederationQuestion, FederationRecord, FlowReturn, IdentifierSwap, IndexKeys,
    NewFederatedIdentity, NewFlow, NewNonce, NonceUse, Sealed, StoreError, UniqueRule,
};
use authentication_domain::{
    accounts::SignUpMethod, challenges::Purpose, federation::ProviderName,
    opaque_token::TokenDigest, sessions::DeviceId,
};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    codes::{send, use_code},
    support::{MANY, somebody, wins},
};
use crate::{
    builders::{
        federation_question, flow_return, id, index_keys, index_keys_amid_rotation, new_account,
        new_flow, new_identity, new_nonce, nonce_use, sealed, send_request, token_digest,
    },
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const MOMENT: Duration = Duration::MICROSECOND;

async fn look_up(store: &Store, identity: [u8; 32], address: &IndexKeys) -> FederationRecord {
    let found = store
        .federation_record(federation_question(identity, address))
        .await;
    found.expect("the store answers")
}

async fn link(store: &Store, identity: &NewFederatedIdentity) -> Result<(), StoreError> {
    in_unit!(store, federation.link(identity))
}

async fn assert_taken(store: &Store, identity: &NewFederatedIdentity) {
    let refused = link(store, identity).await;
    let is_taken = matches!(
        refused,
        Err(StoreError::Conflict(UniqueRule::FederatedIdentity))
    );
    assert!(is_taken, "{refused:?}");
}

pub async fn an_identity_is_found_as_it_was_linked(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let account = owner.record.account.id;
    let identity = new_identity(account);
    link(&store, &identity).await.expect("nobody has it");
    let address = index_keys();
    let found = look_up(&store, identity.digest, &address).await;
    assert_eq!(found.owner.as_ref(), Some(&owner.record));
    assert_eq!((found.address_owner, found.device), (None, None));
    let found = look_up(&store, identity.digest, &other.index).await;
    assert_eq!(
        found.owner.as_ref(),
        Some(&owner.record),
        "whoever has the address"
    );
    assert_eq!(found.address_owner, Some(other.record.account.id));
    let [kept] = <[_; 1]>::try_from(store.identities_of(account).await.unwrap()).unwrap();
    assert_eq!(
        (
            kept.id,
            kept.provider,
            kept.digest,
            &kept.identity,
            kept.linked_at
        ),
        (
            identity.id,
            identity.provider,
            identity.digest,
            &identity.identity,
            START
        )
    );
    let others = store.identities_of(other.record.account.id).await.unwrap();
    assert!(others.is_empty());
}

pub async fn an_unknown_identity_is_nobody_and_its_address_is_told(store: Store) {
    let identity = new_identity(id()).digest;
    let nobody = look_up(&store, identity, &index_keys()).await;
    assert!(nobody.owner.is_none() && nobody.address_owner.is_none());
    // Indexed under an older key only: the address is looked up under every live key.
    let both = index_keys_amid_rotation();
    let mut account = new_account();
    account.index = both.clone();
    account.index.entries.remove(0);
    let account = super::support::register(&store, account).await;
    let found = look_up(&store, identity, &both).await;
    assert!(found.owner.is_none());
    assert_eq!(found.address_owner, Some(account.record.account.id));
}

pub async fn an_address_that_was_given_up_is_told_while_it_is_reserved(store: Store) {
    let owner = somebody(&store).await;
    let until = START + Duration::HOUR;
    let swap = IdentifierSwap {
        account: owner.record.account.id,
        read_version: owner.record.account.version,
        identifier: &sealed(),
        method: SignUpMethod::Email,
        index: &index_keys(),
        reserve_until: Some(until),
        now: START,
    };
    assert!(in_unit!(store, accounts.change_identifier(swap)).unwrap());
    let identity = new_identity(id()).digest;
    let told_at = async |at| {
        let question = FederationQuestion {
            at,
            ..federation_question(identity, &owner.index)
        };
        store
            .federation_record(question)
            .await
            .unwrap()
            .address_owner
    };
    let last_moment = until - Duration::MICROSECOND;
    assert_eq!(told_at(last_moment).await, Some(owner.record.account.id));
    assert_eq!(told_at(until).await, None);
}

pub async fn the_device_is_told_if_it_is_the_owners(store: Store) {
    let (owner, stranger) = (somebody(&store).await, somebody(&store).await);
    let (own, foreign): (DeviceId, DeviceId) = (id(), id());
    for (account, device) in [(&owner, own), (&stranger, foreign)] {
        let account = account.record.account.id;
        in_unit!(store, devices.remember(account, device, MANY, START)).unwrap();
    }
    let identity = new_identity(owner.record.account.id);
    link(&store, &identity).await.unwrap();
    for (presented, told) in [(own, Some(own)), (foreign, None), (id(), None)] {
        let question = FederationQuestion {
            device: Some(presented),
            ..federation_question(identity.digest, &owner.index)
        };
        let found = store.federation_record(question).await.unwrap();
        assert_eq!(found.device, told);
    }
}

pub async fn an_identity_opens_one_account_and_an_account_has_one_of_each_provider(store: Store) {
    let (one, other) = (somebody(&store).await, somebody(&store).await);
    let (one, other) = (one.record.account.id, other.record.account.id);
    let identity = new_identity(one);
    link(&store, &identity).await.unwrap();
    let elsewhere = NewFederatedIdentity {
        digest: identity.digest,
        ..new_identity(other)
    };
    assert_taken(&store, &elsewhere).await;
    assert_taken(&store, &new_identity(one)).await;
    link(&store, &new_identity(other))
        .await
        .expect("another identity, another account");
    let at_another = NewFederatedIdentity {
        provider: another_provider(),
        ..new_identity(one)
    };
    link(&store, &at_another).await.expect("another provider");
    let again = NewFederatedIdentity {
        provider: another_provider(),
        ..new_identity(one)
    };
    assert_taken(&store, &again).await;
    let of_both = store.identities_of(one).await.unwrap();
    let providers: Vec<_> = of_both.iter().map(|it| it.provider).collect();
    assert_eq!(providers, [another_provider(), ProviderName::GOOGLE]);
}

fn another_provider() -> ProviderName {
    ProviderName::parse("entra").expect("a name")
}

/// What was linked or begun at one provider is worthless at another, and is not used up there.
pub async fn what_is_of_one_provider_counts_at_no_other(store: Store) {
    let owner = somebody(&store).await.record.account.id;
    link(&store, &new_identity(owner)).await.unwrap();
    let other = another_provider();
    assert!(!in_unit!(store, federation.unlink(owner, other)).unwrap());
    assert_eq!(store.identities_of(owner).await.unwrap().len(), 1);
    let nonce = NewNonce {
        provider: other,
        ..new_nonce()
    };
    keep(&store, &nonce).await;
    let of_google = nonce_use(nonce.digest);
    assert!(!bring(&store, of_google).await);
    let theirs = NonceUse {
        provider: other,
        ..of_google
    };
    assert!(bring(&store, theirs).await);
    let flow = begin_flow(&store).await;
    let elsewhere = NewFlow {
        provider: other,
        ..flow.clone()
    };
    assert_eq!(claim(&store, &elsewhere, START).await, None);
    assert_eq!(
        claim(&store, &flow, START).await,
        Some(flow.payload.clone())
    );
}

pub async fn of_fifty_links_of_one_identity_one_wins(store: Store) {
    for _ in 0..ROUNDS {
        let digest = new_identity(id()).digest;
        let mut rivals = Vec::new();
        for _ in 0..crate::race::RIVALS {
            rivals.push(somebody(&store).await.record.account.id);
        }
        let linked = fifty_at_once(|number| {
            let store = store.clone();
            let identity = NewFederatedIdentity {
                digest,
                ..new_identity(rivals[number])
            };
            async move {
                match link(&store, &identity).await {
                    Ok(()) => true,
                    Err(StoreError::Conflict(UniqueRule::FederatedIdentity)) => false,
                    Err(other) => panic!("{other:?}"),
                }
            }
        })
        .await;
        assert_eq!(wins(&linked), 1);
    }
}

pub async fn an_identity_is_unlinked_once_and_can_be_linked_again(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let (owner, other) = (owner.record.account.id, other.record.account.id);
    let (identity, kept) = (new_identity(owner), new_identity(other));
    link(&store, &identity).await.unwrap();
    link(&store, &kept).await.unwrap();
    assert!(in_unit!(store, federation.unlink(owner, ProviderName::GOOGLE)).unwrap());
    assert!(!in_unit!(store, federation.unlink(owner, ProviderName::GOOGLE)).unwrap());
    assert!(store.identities_of(owner).await.unwrap().is_empty());
    assert_eq!(store.identities_of(other).await.unwrap().len(), 1);
    link(&store, &identity).await.expect("it is nobody's");
}

async fn keep(store: &Store, nonce: &NewNonce) {
    in_unit!(store, federation.keep_nonce(nonce)).expect("a nonce is kept");
}

async fn use_nonce(
    store: &Store,
    digest: TokenDigest,
    device: Option<DeviceId>,
    now: OffsetDateTime,
) -> bool {
    let brought = NonceUse {
        device,
        now,
        ..nonce_use(digest)
    };
    bring(store, brought).await
}

async fn bring(store: &Store, nonce: NonceUse) -> bool {
    in_unit!(store, federation.use_nonce(nonce)).expect("a nonce is used or not")
}

pub async fn a_nonce_of_a_session_counts_there_alone_and_one_of_none_in_none(store: Store) {
    let (session, other) = (id(), id());
    let nonce = NewNonce {
        session: Some(session),
        ..new_nonce()
    };
    let free = new_nonce();
    keep(&store, &nonce).await;
    keep(&store, &free).await;
    let brought_in = |digest, session| NonceUse {
        session,
        ..nonce_use(digest)
    };
    for elsewhere in [None, Some(other)] {
        assert!(!bring(&store, brought_in(nonce.digest, elsewhere)).await);
    }
    assert!(!bring(&store, brought_in(free.digest, Some(session))).await);
    assert!(bring(&store, brought_in(nonce.digest, Some(session))).await);
    assert!(bring(&store, brought_in(free.digest, None)).await);
}

pub async fn whether_an_identity_opens_an_account_is_told(store: Store) {
    let (owner, other) = (somebody(&store).await, somebody(&store).await);
    let (owner, other) = (owner.record.account.id, other.record.account.id);
    let (identity, theirs) = (new_identity(owner), new_identity(other));
    link(&store, &identity).await.unwrap();
    link(&store, &theirs).await.unwrap();
    let opens = async |digest, account| in_unit!(store, federation.opens(digest, account)).unwrap();
    assert!(opens(identity.digest, owner).await);
    assert!(!opens(identity.digest, other).await);
    assert!(!opens(theirs.digest, owner).await);
    assert!(in_unit!(store, federation.unlink(owner, ProviderName::GOOGLE)).unwrap());
    assert!(!opens(identity.digest, owner).await);
}

pub async fn a_nonce_counts_once_and_in_time(store: Store) {
    let (nonce, other) = (new_nonce(), new_nonce());
    keep(&store, &nonce).await;
    keep(&store, &other).await;
    assert!(
        !use_nonce(&store, token_digest(), None, START).await,
        "none of ours"
    );
    assert!(!use_nonce(&store, nonce.digest, None, nonce.expires_at).await);
    assert!(use_nonce(&store, nonce.digest, None, nonce.expires_at - MOMENT).await);
    assert!(!use_nonce(&store, nonce.digest, None, START).await);
    assert!(
        use_nonce(&store, other.digest, Some(id()), START).await,
        "given to nobody in particular"
    );
}

pub async fn a_nonce_of_a_device_counts_from_that_device(store: Store) {
    let device = id();
    let nonce = NewNonce {
        device: Some(device),
        ..new_nonce()
    };
    keep(&store, &nonce).await;
    for other in [None, Some(id())] {
        assert!(!use_nonce(&store, nonce.digest, other, START).await);
    }
    assert!(use_nonce(&store, nonce.digest, Some(device), START).await);
}

pub async fn of_fifty_uses_of_one_nonce_one_wins(store: Store) {
    for _ in 0..ROUNDS {
        let nonce = new_nonce();
        keep(&store, &nonce).await;
        let used = fifty_at_once(|_| {
            let store = store.clone();
            async move { use_nonce(&store, nonce.digest, None, START).await }
        })
        .await;
        assert_eq!(wins(&used), 1);
    }
}

async fn begin_flow(store: &Store) -> NewFlow {
    let flow = new_flow();
    in_unit!(store, federation.keep_flow(&flow)).expect("a flow is kept");
    flow
}

async fn claim(store: &Store, flow: &NewFlow, now: OffsetDateTime) -> Option<Sealed> {
    let brought = FlowReturn {
        now,
        ..flow_return(flow)
    };
    let claimed = in_unit!(store, federation.claim_flow(brought));
    claimed
        .expect("a flow is claimed or not")
        .map(|claimed| claimed.payload)
}

pub async fn a_flow_is_claimed_once_and_gives_what_was_kept(store: Store) {
    let (flow, other) = (begin_flow(&store).await, begin_flow(&store).await);
    assert_eq!(claim(&store, &flow, flow.expires_at).await, None);
    let found = claim(&store, &flow, flow.expires_at - MOMENT).await;
    assert_eq!(found, Some(flow.payload.clone()));
    assert_eq!(claim(&store, &flow, START).await, None);
    assert_eq!(
        claim(&store, &other, START).await,
        Some(other.payload.clone())
    );
}

pub async fn a_flow_of_another_client_is_not_claimed_and_stays(store: Store) {
    let (flow, foreign) = (begin_flow(&store).await, begin_flow(&store).await);
    for binding in [foreign.binding, token_digest(), flow.state] {
        let stolen = NewFlow {
            binding,
            ..flow.clone()
        };
        assert_eq!(claim(&store, &stolen, START).await, None);
    }
    assert_eq!(
        claim(&store, &flow, START).await,
        Some(flow.payload.clone())
    );
}

pub async fn of_fifty_claims_of_one_flow_one_wins(store: Store) {
    for _ in 0..ROUNDS {
        let flow = begin_flow(&store).await;
        let claimed = fifty_at_once(|_| {
            let (store, flow) = (store.clone(), flow.clone());
            async move { claim(&store, &flow, START).await.is_some() }
        })
        .await;
        assert_eq!(wins(&claimed), 1);
    }
}

pub async fn a_flow_that_was_given_back_is_claimed_again(store: Store) {
    let flow = begin_flow(&store).await;
    claim(&store, &flow, START).await.expect("it is new");
    // A release with another claim time has no effect.
    in_unit!(store, federation.release_flow(flow.state, START + MOMENT)).unwrap();
    assert_eq!(claim(&store, &flow, START).await, None);
    in_unit!(store, federation.release_flow(flow.state, START)).unwrap();
    assert_eq!(
        claim(&store, &flow, START + MOMENT).await,
        Some(flow.payload.clone())
    );
}

pub async fn void_codes_count_no_more_whatever_they_were_for(store: Store) {
    let (recipient, other) = (index_keys().subject, index_keys().subject);
    let mut requests = Vec::new();
    for purpose in Purpose::ALL {
        for to in [recipient, other] {
            let request = send_request(to, purpose, START);
            send(&store, &request).await;
            requests.push(request);
        }
    }
    in_unit!(store, challenges.void_codes(recipient, START)).unwrap();
    for request in requests {
        let used = use_code(&store, request.subject, request.purpose, request.nonce).await;
        assert_eq!(used, request.subject == other);
    }
}

pub async fn an_account_advances_only_in_the_version_that_was_read(store: Store) {
    let account = somebody(&store).await.record.account;
    assert!(
        !in_unit!(
            store,
            accounts.advance(account.id, account.version + 1, START)
        )
        .unwrap()
    );
    let advanced = fifty_at_once(|_| {
        let (store, account) = (store.clone(), account.clone());
        async move { in_unit!(store, accounts.advance(account.id, account.version, START)).unwrap() }
    })
    .await;
    assert_eq!(wins(&advanced), 1);
    let (record, _) = store.credentials_of(account.id).await.unwrap().unwrap();
    assert_eq!(record.account.version, account.version + 1);
}

pub async fn a_purge_removes_nonces_and_flows_that_expired(store: Store) {
    let (nonce, flow) = (new_nonce(), begin_flow(&store).await);
    keep(&store, &nonce).await;
    let owner = somebody(&store).await.record.account.id;
    link(&store, &new_identity(owner)).await.unwrap();
    assert_eq!(store.purge_expired(flow.expires_at).await.unwrap(), 0);
    assert_eq!(
        store.purge_expired(flow.expires_at + MOMENT).await.unwrap(),
        2
    );
    assert!(!use_nonce(&store, nonce.digest, None, START).await);
    assert_eq!(claim(&store, &flow, START).await, None);
    assert_eq!(store.identities_of(owner).await.unwrap().len(), 1);
}
