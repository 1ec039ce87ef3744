//! Links that a reset mail carries beside its code.

use authentication_app::ports::{IndexKeys, ResetLinkRecord, SendRequest};
use authentication_domain::{challenges::Purpose, opaque_token::TokenDigest};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    codes::{cool_down, dispatch_of, send, use_code},
    support::somebody,
};
use crate::{
    builders::{index_keys, send_request, token_digest},
    clock::START,
};

async fn follow(store: &Store, link: TokenDigest) -> Option<ResetLinkRecord> {
    let found = store.find_reset_link(link).await;
    found.expect("the store answers")
}

fn reset_mail(recipient: &IndexKeys, now: OffsetDateTime) -> (SendRequest, TokenDigest) {
    let link = token_digest();
    let request = SendRequest {
        link: Some(link),
        ..send_request(recipient.subject, Purpose::PasswordReset, now)
    };
    (request, link)
}

pub async fn a_reset_link_is_found_until_it_is_used_or_replaced(store: Store) {
    let owner = somebody(&store).await;
    let nobody = index_keys();
    assert!(follow(&store, token_digest()).await.is_none());
    for (recipient, account) in [
        (&owner.index, Some(owner.record.account.id)),
        (&nobody, None),
    ] {
        let (first, first_link) = reset_mail(recipient, START);
        let (second, second_link) = reset_mail(recipient, START + cool_down());
        send(&store, &first).await;
        let found = follow(&store, first_link).await.expect("it was mailed");
        assert_eq!(found.subject, recipient.subject);
        assert_eq!(found.dispatch, dispatch_of(&first));
        assert_eq!(found.owner, account);
        send(&store, &second).await;
        assert!(
            follow(&store, first_link).await.is_none(),
            "a newer mail replaced it"
        );
        assert!(follow(&store, second_link).await.is_some());
        assert!(use_code(&store, second.subject, second.purpose, second.nonce).await);
        assert!(
            follow(&store, second_link).await.is_none(),
            "the code of its mail was used"
        );
    }
}

pub async fn a_suppressed_link_leads_nowhere(store: Store) {
    let recipient = index_keys();
    let (first, first_link) = reset_mail(&recipient, START);
    let (second, second_link) = reset_mail(&recipient, START + cool_down() - Duration::MICROSECOND);
    send(&store, &first).await;
    send(&store, &second).await;
    assert!(follow(&store, first_link).await.is_some());
    assert!(follow(&store, second_link).await.is_none());
}
