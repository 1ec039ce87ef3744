//! Links in notices.

use authentication_app::ports::{LinkKind, NewNoticeLink, NoticeLink};
use authentication_domain::{accounts::AccountId, opaque_token::TokenDigest};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    support::{somebody, wins},
};
use crate::{
    builders::{new_notice_link, sealed, token_digest},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

const MOMENT: Duration = Duration::MICROSECOND;

async fn owner(store: &Store) -> AccountId {
    somebody(store).await.record.account.id
}

async fn keep(store: &Store, link: NewNoticeLink) -> NewNoticeLink {
    in_unit!(store, notices.keep_link(&link)).expect("a link is kept");
    link
}

async fn find(
    store: &Store,
    digest: TokenDigest,
    kind: LinkKind,
    now: OffsetDateTime,
) -> Option<NoticeLink> {
    let found = store.find_notice_link(digest, kind, now).await;
    found.expect("the store answers")
}

async fn claim(store: &Store, digest: TokenDigest, kind: LinkKind, now: OffsetDateTime) -> bool {
    in_unit!(store, notices.claim_link(digest, kind, now)).expect("the store answers")
}

pub async fn a_link_is_found_as_it_was_kept(store: Store) {
    let account = owner(&store).await;
    for kind in LinkKind::ALL {
        for previous in [None, Some(sealed())] {
            let link = NewNoticeLink {
                previous,
                ..new_notice_link(account, kind)
            };
            let link = keep(&store, link).await;
            let expected = NoticeLink {
                account,
                previous: link.previous.clone(),
                created_at: link.created_at,
                had_second_factor: false,
            };
            assert_eq!(find(&store, link.digest, kind, START).await, Some(expected));
        }
        assert_eq!(find(&store, token_digest(), kind, START).await, None);
    }
}

pub async fn a_purge_removes_links_a_day_after_they_expired(store: Store) {
    let link = new_notice_link(owner(&store).await, LinkKind::NotMe);
    let link = keep(&store, link).await;
    let end = link.expires_at + Duration::DAY;
    assert_eq!(store.purge_expired(end).await.unwrap(), 0);
    assert_eq!(store.purge_expired(end + MOMENT).await.unwrap(), 1);
}

pub async fn a_link_of_one_kind_does_nothing_of_another(store: Store) {
    let account = owner(&store).await;
    let [one, other] = LinkKind::ALL;
    for (kind, wrong) in [(one, other), (other, one)] {
        let link = keep(&store, new_notice_link(account, kind)).await;
        assert_eq!(find(&store, link.digest, wrong, START).await, None);
        assert!(!claim(&store, link.digest, wrong, START).await);
        assert!(claim(&store, link.digest, kind, START).await);
    }
}

pub async fn a_link_counts_until_it_expires(store: Store) {
    let link = new_notice_link(owner(&store).await, LinkKind::NotMe);
    let link = keep(&store, link).await;
    let (end, kind) = (link.expires_at, link.kind);
    assert_eq!(find(&store, link.digest, kind, end).await, None);
    assert!(!claim(&store, link.digest, kind, end).await);
    assert!(
        find(&store, link.digest, kind, end - MOMENT)
            .await
            .is_some()
    );
    assert!(claim(&store, link.digest, kind, end - MOMENT).await);
    assert_eq!(find(&store, link.digest, kind, START).await, None);
}

pub async fn of_fifty_claims_of_one_link_one_wins(store: Store) {
    let account = owner(&store).await;
    for _ in 0..ROUNDS {
        let link = keep(&store, new_notice_link(account, LinkKind::NotMe)).await;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            let digest = link.digest;
            async move { claim(&store, digest, LinkKind::NotMe, START).await }
        })
        .await;
        assert_eq!(wins(&answers), 1);
    }
}

pub async fn a_claim_that_is_undone_leaves_the_link_as_it_was(store: Store) {
    let link = new_notice_link(owner(&store).await, LinkKind::NotMe);
    let link = keep(&store, link).await;
    let mut unit = store.begin().await.expect("a unit");
    let claimed = unit.notices().claim_link(link.digest, link.kind, START);
    assert!(claimed.await.expect("the store answers"));
    drop(unit);
    assert!(claim(&store, link.digest, link.kind, START).await);
}

pub async fn links_are_made_worthless_from_a_time_on(store: Store) {
    let (account, stranger) = (owner(&store).await, owner(&store).await);
    let at = |account, kind, minute| NewNoticeLink {
        created_at: START + Duration::minutes(minute),
        ..new_notice_link(account, kind)
    };
    let kind = LinkKind::IdentifierUndo;
    let mut kept = Vec::new();
    for link in [
        at(account, kind, 0),
        at(account, kind, 1),
        at(account, kind, 2),
        at(account, LinkKind::NotMe, 2),
        at(stranger, kind, 2),
    ] {
        kept.push(keep(&store, link).await);
    }
    let since = START + Duration::minutes(1);
    in_unit!(store, notices.void_links(account, kind, since, START)).expect("the store answers");
    let mut alive = Vec::new();
    for link in &kept {
        let now = START + Duration::minutes(2);
        alive.push(find(&store, link.digest, link.kind, now).await.is_some());
    }
    assert_eq!(alive, [true, false, false, true, true]);
}
