//! Who may connect: so many in all, and so many from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use authentication_app::protection::network_of;
use ipnet::IpNet;

/// What was counted, in the words of its label.
pub(crate) type Counted = Vec<(&'static str, u64)>;

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There are as many as there may be.
    Full,
    /// There are as many from this address as there may be.
    Address,
}

/// Why a connection is closed that its client did not close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The head of a request did not come to its end in time.
    Head,
    /// Its body did not.
    Body,
    /// Its answer did not.
    Answer,
    /// No further request came.
    Idle,
    /// What was written is not taken, or too slowly.
    Write,
    /// What came can be read in more than one way, or in none.
    Malformed,
    /// A head is too large.
    TooLarge,
}

const CUTS: [(Cut, &str); 7] = [
    (Cut::Head, "head"),
    (Cut::Body, "body"),
    (Cut::Answer, "answer"),
    (Cut::Idle, "idle"),
    (Cut::Write, "write"),
    (Cut::Malformed, "malformed"),
    (Cut::TooLarge, "too_large"),
];

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Admission {
    most: usize,
    most_per_address: Option<usize>,
    uncounted: Vec<IpNet>,
    open: Mutex<Open>,
    refused_full: AtomicU64,
    refused_address: AtomicU64,
    cut: [AtomicU64; CUTS.len()],
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Admission {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            most_per_address: None,
            uncounted: Vec::new(),
            open: Mutex::default(),
            refused_full: AtomicU64::default(),
            refused_address: AtomicU64::default(),
            cut: Default::default(),
        }
    }

    /// With a bound for each address outside of these networks, in which many clients share one.
    pub(crate) fn per_address(mut self, most: usize, uncounted: Vec<IpNet>) -> Self {
        // One address alone does not fill the listener.
        self.most_per_address = Some(most.min((self.most / 4).max(1)));
        self.uncounted = uncounted;
        self
    }

    /// How many there may be.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Lets a connection in, until its permit is dropped.
    ///
    /// # Errors
    /// [`Refused`], and it is counted.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, Refused> {
        let address = self.counted_as(peer);
        let admitted = self.count(address);
        match admitted {
            Ok(()) => Ok(Permit {
                admission: Arc::clone(self),
                address,
            }),
            Err(refused) => {
                let counter = match refused {
                    Refused::Full => &self.refused_full,
                    Refused::Address => &self.refused_address,
                };
                counter.fetch_add(1, Ordering::Relaxed);
                Err(refused)
            }
        }
    }

    fn counted_as(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_counted = self.most_per_address.is_some()
            && !self.uncounted.iter().any(|network| network.contains(&peer));
        is_counted.then(|| network_of(peer))
    }

    fn count(&self, address: Option<IpAddr>) -> Result<(), Refused> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.most {
            return Err(Refused::Full);
        }
        if let Some((address, most)) = address.zip(self.most_per_address) {
            let of_address = open.by_address.entry(address).or_default();
            if *of_address >= most {
                return Err(Refused::Address);
            }
            *of_address += 1;
        }
        open.all += 1;
        Ok(())
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// How many were refused, by reason.
    pub(crate) fn refused(&self) -> Counted {
        vec![
            ("full", self.refused_full.load(Ordering::Relaxed)),
            ("address", self.refused_address.load(Ordering::Relaxed)),
        ]
    }

    /// How many were closed from here, by reason.
    pub(crate) fn cut(&self) -> Counted {
        let read = |((_, word), count): (&(Cut, &'static str), &AtomicU64)| {
            (*word, count.load(Ordering::Relaxed))
        };
        CUTS.iter().zip(&self.cut).map(read).collect()
    }
}

/// One connection of those that there may be.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

impl Permit {
    /// Notes why the connection is closed.
    pub(super) fn note(&self, why: Cut) {
        let counters = CUTS.iter().zip(&self.admission.cut);
        for ((cut, _), counter) in counters {
            if *cut == why {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let open = &self.admission.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(of_address) = open.by_address.get_mut(&address)
        {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn one_address_alone_fills_no_listener() {
        let admission = admission(8, 1_000);
        let held: Vec<_> = (0..2).map(|_| from(&admission, "192.0.2.1")).collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(from(&admission, "192.0.2.1").unwrap_err(), Refused::Address);
    }
}
