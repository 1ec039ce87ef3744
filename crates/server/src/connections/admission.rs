//! Who may connect: so many in all, and so many from one address.
//!
//! When there are as many as there may be, a new one takes the place of the one that has been without a request
//! for the longest: a client that holds connections and sends no requests keeps nobody else out.

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

/// What was counted, in the words of its label.
pub(crate) type Counted = Vec<(&'static str, u64)>;

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There are as many as there may be, and none of them may be closed.
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
    /// It had no request, and another connection needed its place.
    Evicted,
    /// What was written is not taken, or too slowly.
    Write,
    /// What came can be read in more than one way, or in none.
    Malformed,
    /// A head is too large.
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
    /// Those without a request, in the order in which they came to have none. Those of many clients at one address
    /// are not among them: a proxy would lose requests that it has just sent.
    waiting: BTreeMap<u64, Waiting>,
    next_place: u64,
}

/// A connection that may be closed for another.
#[derive(Debug)]
struct Waiting {
    address: Option<IpAddr>,
    /// Has it look at its place.
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

    /// Takes the place of the connection that has waited for the longest.
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

    /// With a bound for each address outside of these networks, in which many clients share one.
    pub(crate) fn per_address(mut self, most: usize, shared: Vec<IpNet>) -> Self {
        // One address alone does not fill the listener.
        self.most_per_address = Some(most.min((self.most / 4).max(1)));
        self.shared = shared;
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

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.locked().all
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
    may_be_evicted: bool,
    /// Its place among those that wait. When it is not there any more, another connection has it.
    place: Option<u64>,
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

    /// There is no request: from now on it may be closed for another connection, whose task is woken then.
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

    /// Whether another connection has its place.
    pub(super) fn is_evicted(&self) -> bool {
        self.place
            .is_some_and(|place| !self.admission.locked().waiting.contains_key(&place))
    }

    /// It may not be closed for another connection any more. False if one has its place already.
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
