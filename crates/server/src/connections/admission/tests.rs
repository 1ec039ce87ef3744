//! Admission and eviction.

use super::*;

fn admission(most: usize, per_address: usize) -> Arc<Admission> {
    let proxies = vec!["10.0.0.0/8".parse().unwrap()];
    Arc::new(Admission::new(most).per_address(per_address, proxies))
}

fn from(admission: &Arc<Admission>, peer: &str) -> Result<Permit, Refused> {
    admission.admit(peer.parse().unwrap())
}

#[test]
fn an_address_has_so_many_and_others_have_theirs() {
    let admission = admission(100, 2);
    let held: Vec<_> = (0..2).map(|_| from(&admission, "192.0.2.1")).collect();
    assert!(held.iter().all(Result::is_ok));
    assert_eq!(from(&admission, "192.0.2.1").unwrap_err(), Refused::Address);
    assert_eq!(
        from(&admission, "::ffff:192.0.2.1").unwrap_err(),
        Refused::Address
    );
    assert!(from(&admission, "192.0.2.2").is_ok());
    drop(held);
    assert!(from(&admission, "192.0.2.1").is_ok());
    assert_eq!(admission.refused(), [("full", 0), ("address", 2)]);
    assert_eq!(admission.open(), 0);
}

#[test]
fn an_ipv6_address_is_its_64() {
    let admission = admission(100, 1);
    let _held = from(&admission, "2001:db8:1:2::1").unwrap();
    let neighbour = from(&admission, "2001:db8:1:2:ffff::2");
    assert_eq!(neighbour.unwrap_err(), Refused::Address);
    assert!(from(&admission, "2001:db8:1:3::1").is_ok());
}

#[test]
fn a_proxy_is_many_clients_and_fills_the_listener_all_the_same() {
    let admission = admission(8, 1);
    let held: Vec<_> = (0..8).map(|_| from(&admission, "10.1.2.3")).collect();
    assert!(held.iter().all(Result::is_ok));
    assert_eq!(from(&admission, "10.1.2.3").unwrap_err(), Refused::Full);
    assert_eq!(from(&admission, "192.0.2.1").unwrap_err(), Refused::Full);
    assert_eq!((admission.open(), admission.most()), (8, 8));
}

#[test]
fn when_it_is_full_the_longest_without_a_request_makes_room() {
    let admission = admission(4, 1);
    let connect = |peer: &str| from(&admission, peer).unwrap();
    let [mut busy, mut first, mut second, mut proxy] =
        ["192.0.2.1", "192.0.2.2", "192.0.2.3", "10.1.2.3"].map(connect);
    for permit in [&mut busy, &mut first, &mut second, &mut proxy] {
        permit.wait(Waker::noop());
    }
    assert!(busy.stop_waiting() && first.stop_waiting());
    // It becomes idle again, now behind the second one.
    first.wait(Waker::noop());
    let mut newcomer = connect("192.0.2.4");
    newcomer.wait(Waker::noop());
    assert!(second.is_evicted() && !second.stop_waiting());
    assert!(!first.is_evicted() && !busy.is_evicted());
    // An evicted connection releases its place only once.
    drop(second);
    assert_eq!(admission.open(), 4);
    let from_the_proxy = connect("10.1.2.3");
    assert!(first.is_evicted() && !newcomer.is_evicted());
    assert!(newcomer.stop_waiting());
    // The remaining connections are busy or belong to the proxy.
    assert_eq!(from(&admission, "192.0.2.5").unwrap_err(), Refused::Full);
    drop([busy, first, proxy, newcomer, from_the_proxy]);
    assert_eq!(admission.open(), 0);
    assert!(connect("192.0.2.2").stop_waiting());
}

#[test]
fn where_no_address_is_counted_the_longest_without_a_request_makes_room_too() {
    let admission = Arc::new(Admission::new(1));
    let mut silent = from(&admission, "192.0.2.1").unwrap();
    silent.wait(Waker::noop());
    assert!(from(&admission, "192.0.2.1").is_ok());
    assert!(silent.is_evicted());
    drop(silent);
    assert_eq!(admission.open(), 0);
}

#[test]
fn an_address_that_is_at_its_bound_evicts_nobody() {
    let admission = admission(4, 1);
    let mut held: Vec<_> = (1..=4)
        .map(|host| from(&admission, &format!("192.0.2.{host}")).unwrap())
        .collect();
    for permit in &mut held {
        permit.wait(Waker::noop());
    }
    assert_eq!(from(&admission, "192.0.2.1").unwrap_err(), Refused::Address);
    assert!(held.iter().all(|permit| !permit.is_evicted()));
}

#[test]
fn one_address_alone_fills_no_listener() {
    let admission = admission(8, 1_000);
    let held: Vec<_> = (0..2).map(|_| from(&admission, "192.0.2.1")).collect();
    assert!(held.iter().all(Result::is_ok));
    assert_eq!(from(&admission, "192.0.2.1").unwrap_err(), Refused::Address);
}
