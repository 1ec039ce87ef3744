//! Limits: who is counted, and by whom.

use std::sync::Arc;

use authentication_domain::protection::RouteClass;
use testkit::builders::id;

use crate::bed::{Bed, FakeThrottle, email};

const CLASS: RouteClass = RouteClass::LogIn;

/// Each node counts by itself while what they share cannot be asked: a limit is never lifted.
#[tokio::test]
async fn counters_that_cannot_be_asked_are_replaced_by_the_nodes_own() {
    let bed = Bed::start().await;
    let limits = bed.limits(Some(Arc::new(FakeThrottle)));
    let address = Some("192.0.2.1".parse().unwrap());
    let quota = CLASS.limit().by_address.unwrap();
    for left in (0..quota.calls).rev() {
        let status = limits.count_call(CLASS, address, None).await;
        assert!(status.refused().is_none());
        assert_eq!(status.windows[0].outcome.remaining, left);
    }
    let status = limits.count_call(CLASS, address, None).await;
    let refused = status.refused().unwrap();
    assert_eq!((refused.name, refused.quota), ("address", quota));
}

#[tokio::test]
async fn who_is_not_counted_has_no_window() {
    let bed = Bed::start().await;
    let limits = bed.limits(None);
    let status = limits.count_call(CLASS, None, None).await;
    assert!(status.windows.is_empty() && status.refused().is_none());
    let without_subject = RouteClass::Refresh;
    assert_eq!(without_subject.limit().by_subject, None);
    let status = limits.count_call(without_subject, None, Some(id())).await;
    assert!(status.windows.is_empty());
}

/// A neighbour in the same network is the same caller, and another class is another count.
#[tokio::test]
async fn callers_are_told_apart_by_network_identifier_account_and_class() {
    let bed = Bed::start().await;
    let limits = bed.limits(None);
    let remaining = async |address: &str| {
        let address = Some(address.parse().unwrap());
        let status = limits.count_call(CLASS, address, None).await;
        status.windows[0].outcome.remaining
    };
    let first = remaining("2001:db8:1:2::1").await;
    assert_eq!(remaining("2001:db8:1:2:ffff::9").await, first - 1);
    assert_eq!(remaining("2001:db8:1:3::1").await, first);

    let of = async |text: &str| {
        let status = limits.count_identifier(CLASS, &email(text)).await;
        status.windows[0].outcome.remaining
    };
    let first = of("ada@example.com").await;
    assert_eq!(of("Ada@EXAMPLE.com").await, first - 1);
    assert_eq!(of("grace@example.com").await, first);

    let (one, other) = (id(), id());
    let of = async |account| {
        let status = limits
            .count_call(RouteClass::SignedIn, None, Some(account))
            .await;
        status.windows[0].outcome.remaining
    };
    let first = of(one).await;
    assert_eq!((of(one).await, of(other).await), (first - 1, first));
}

/// A refused call takes no place in the other window.
#[tokio::test]
async fn a_signed_in_call_counts_by_address_and_account_or_not_at_all() {
    let bed = Bed::start().await;
    let limits = bed.limits(None);
    let address = Some("192.0.2.1".parse().unwrap());
    let (greedy, neighbour) = (Some(id()), Some(id()));
    let by_account = RouteClass::SignedIn.limit().by_subject.unwrap();
    for _ in 0..by_account.calls {
        let status = limits
            .count_call(RouteClass::SignedIn, address, greedy)
            .await;
        assert!(status.refused().is_none());
    }
    for _ in 0..3 {
        let status = limits
            .count_call(RouteClass::SignedIn, address, greedy)
            .await;
        assert_eq!(status.refused().unwrap().name, "subject");
    }
    let status = limits
        .count_call(RouteClass::SignedIn, address, neighbour)
        .await;
    let left: Vec<_> = status
        .windows
        .iter()
        .map(|it| (it.name, it.outcome.remaining))
        .collect();
    let by_address = RouteClass::SignedIn.limit().by_address.unwrap();
    let expected = [
        ("address", by_address.calls - by_account.calls - 1),
        ("subject", by_account.calls - 1),
    ];
    assert_eq!(left, expected);
}
