//! Connection limits: a maximum in total, and a maximum per address.
//!
//! When the total is reached, a new connection replaces the one that has been without a request for the longest
//! time, so that a client which holds connections open without sending requests cannot lock out others.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
};

use authentication_app::protection::network_of;
use ipnet::IpNet;

/// Counts, each with the value of its metric label.
pub(crate) type Counted = Vec<(&'static str, u64)>;

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The total is reached, and no connection may be evicted.
    Full,
    /// The limit of this address is reached.
    Address,
}

/// Why the server closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The head of a request was not complete in time.
    Head,
    /// The body of a request was not complete in time.
    Body,
    /// The answer was not complete in time.
    Answer,
    /// No further request came.
    Idle,
    /// It had no request, and another connection needed its place.
    Evicted,
    /// The client reads the answer too slowly, or not at all.
    Write,
    /// The request is ambiguous or invalid.
    Malformed,
    /// The head of a request is too large.
    TooLarge,
}

const CUTS: [(Cut, &str); 8] = [
    (Cut::Head, "head"),
    (Cut::Body, "body"),
    (Cut::Answer, "answer"),
    (Cut::Idle, "idle"),
    (Cut::Evicted, "evicted"),
    (Cut::Write, "write"),
    (Cut::Malformed, "malformed"),
    (Cut::TooLarge, "too_large"),
];

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Admission {
    most: usize,
    most_per_address: Option<usize>,
    shared: Vec<IpNet>,
    open: Mutex<Open>,
    refused_full: AtomicU64,
    refused_address: AtomicU64,
    cut: [AtomicU64; CUTS.len()],
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    /// The connections without a request, in the order in which they became idle. Connections from shared addresses
    /// are not among them: a proxy would lose requests that it has just sent.
    waiting: BTreeMap<u64, Waiting>,
    next_place: u64,
}

/// A connection that may be evicted.
#[derive(Debug)]
struct Waiting {
    address: Option<IpAddr>,
    /// Wakes its task, so that it notices the eviction.
    waker: Waker,
}

impl Open {
    fn of_address(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or_default()
    }

    fn add(&mut self, address: Option<IpAddr>) {
        self.all += 1;
        if let Some(address) = address {
            *self.by_address.entry(address).or_default() += 1;
        }
    }

    fn remove(&mut self, address: Option<IpAddr>) {
        self.all = self.all.saturating_sub(1);
        if let Some(address) = address
            && let Some(of_address) = self.by_address.get_mut(&address)
        {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// Evicts the connection that has been without a request for the longest time.
    fn evict(&mut self) -> Option<Waker> {
        let (_, longest) = self.waiting.pop_first()?;
        self.remove(longest.address);
        Some(longest.waker)
    }
}

impl Admission {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            most_per_address: None,
            shared: Vec::new(),
            open: Mutex::default(),
            refused_full: AtomicU64::default(),
            refused_address: AtomicU64::default(),
            cut: Default::default(),
        }
    }

    /// Sets a limit per address. Networks in `shared`, where many clients use one address, have none.
    pub(crate) fn per_address(mut self, most: usize, shared: Vec<IpNet>) -> Self {
        // A single address must not fill the listener.
        self.most_per_address = Some(most.min((self.most / 4).max(1)));
        self.shared = shared;
        self
    }

    /// The maximum number of connections.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Admits a connection until its permit is dropped.
    ///
    /// # Errors
    /// [`Refused`], which is also counted.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, Refused> {
        let peer = peer.to_canonical();
        let is_shared = self.shared.iter().any(|network| network.contains(&peer));
        let is_counted = self.most_per_address.is_some() && !is_shared;
        let address = is_counted.then(|| network_of(peer));
        match self.count(address) {
            Ok(()) => Ok(Permit {
                admission: Arc::clone(self),
                address,
                may_be_evicted: !is_shared,
                place: None,
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

    fn count(&self, address: Option<IpAddr>) -> Result<(), Refused> {
        let mut open = self.locked();
        if let Some((address, most)) = address.zip(self.most_per_address)
            && open.of_address(address) >= most
        {
            return Err(Refused::Address);
        }
        let evicted = if open.all >= self.most {
            Some(open.evict().ok_or(Refused::Full)?)
        } else {
            None
        };
        open.add(address);
        drop(open);
        if let Some(evicted) = evicted {
            evicted.wake();
        }
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.locked().all
    }

    /// The number of refused connections, by reason.
    pub(crate) fn refused(&self) -> Counted {
        vec![
            ("full", self.refused_full.load(Ordering::Relaxed)),
            ("address", self.refused_address.load(Ordering::Relaxed)),
        ]
    }

    /// The number of connections closed by the server, by reason.
    pub(crate) fn cut(&self) -> Counted {
        let read = |((_, word), count): (&(Cut, &'static str), &AtomicU64)| {
            (*word, count.load(Ordering::Relaxed))
        };
        CUTS.iter().zip(&self.cut).map(read).collect()
    }
}

/// The permit of one admitted connection.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
    may_be_evicted: bool,
    /// Its place in the order of idle connections. If the place is gone, the connection has been evicted.
    place: Option<u64>,
}

impl Permit {
    /// Counts why the connection is closed.
    pub(super) fn note(&self, why: Cut) {
        let counters = CUTS.iter().zip(&self.admission.cut);
        for ((cut, _), counter) in counters {
            if *cut == why {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Marks the connection as idle: from now on it may be evicted, which wakes its task.
    pub(super) fn wait(&mut self, waker: &Waker) {
        if !self.may_be_evicted {
            return;
        }
        let mut open = self.admission.locked();
        if let Some(place) = self.place {
            if let Some(waiting) = open.waiting.get_mut(&place) {
                waiting.waker.clone_from(waker);
            }
            return;
        }
        let place = open.next_place;
        open.next_place += 1;
        let waiting = Waiting {
            address: self.address,
            waker: waker.clone(),
        };
        open.waiting.insert(place, waiting);
        self.place = Some(place);
    }

    /// Whether the connection has been evicted.
    pub(super) fn is_evicted(&self) -> bool {
        self.place
            .is_some_and(|place| !self.admission.locked().waiting.contains_key(&place))
    }

    /// Marks the connection as busy, so that it cannot be evicted. False if it has been evicted already.
    pub(super) fn stop_waiting(&mut self) -> bool {
        let Some(place) = self.place else {
            return true;
        };
        let waiting = self.admission.locked().waiting.remove(&place);
        if waiting.is_some() {
            self.place = None;
        }
        waiting.is_some()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.stop_waiting() {
            self.admission.locked().remove(self.address);
        }
    }
}

#[cfg(test)]
mod tests;
