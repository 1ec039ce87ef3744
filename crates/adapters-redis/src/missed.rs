//! Invalidations that Redis has not confirmed yet, or may have lost since.
//!
//! After a fail-over the new primary may lack what its predecessor confirmed shortly before. So recent invalidations
//! are sent again over every new connection, for as long as their tombstones live. After that, no snapshot is left that
//! an invalidation could contradict.

use std::collections::{HashMap, VecDeque};

use authentication_app::ports::Invalidation;
use authentication_domain::{accounts::AccountId, sessions::SessionId};
use tokio::time::{Duration, Instant};

/// How many ids are remembered individually. Beyond that, the entire cache is invalidated instead.
const MOST: usize = 4_096;

/// What this node still has to send to Redis, numbered in order of arrival.
#[derive(Debug)]
pub(crate) struct Missed {
    latest: u64,
    ended: HashMap<SessionId, u64>,
    changed: HashMap<AccountId, u64>,
    everything: Option<u64>,
    /// How long confirmed invalidations are remembered.
    memory: Duration,
    told: VecDeque<(Instant, What)>,
    /// The number of ids in `told`.
    told_ids: usize,
    /// The number of the connection over which `told` was sent.
    line: u64,
}

/// The invalidations that are sent in one call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) what: What,
    up_to: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    These(Invalidation),
    Everything,
}

impl What {
    fn ids(&self) -> usize {
        match self {
            Self::These(these) => these.ended.len() + these.changed.len(),
            Self::Everything => 0,
        }
    }
}

impl Missed {
    pub(crate) fn remembering(memory: Duration) -> Self {
        Self {
            latest: 0,
            ended: HashMap::new(),
            changed: HashMap::new(),
            everything: None,
            memory,
            told: VecDeque::new(),
            told_ids: 0,
            line: 0,
        }
    }

    /// Sets the number of the current connection. If it is a new one, recent invalidations are pending again.
    pub(crate) fn is_over(&mut self, line: u64, now: Instant) {
        if self.line == line {
            return;
        }
        self.line = line;
        self.forget_old(now);
        self.told_ids = 0;
        for (_, what) in std::mem::take(&mut self.told) {
            match what {
                What::These(these) => self.add(&these),
                What::Everything => self.add_everything(),
            }
        }
    }

    pub(crate) fn add(&mut self, invalidation: &Invalidation) {
        self.latest += 1;
        self.ended.extend(
            invalidation
                .ended
                .iter()
                .map(|session| (*session, self.latest)),
        );
        self.changed.extend(
            invalidation
                .changed
                .iter()
                .map(|account| (*account, self.latest)),
        );
        if self.everything.is_some() || self.ended.len() + self.changed.len() > MOST {
            self.doubt_everything();
        }
    }

    pub(crate) fn add_everything(&mut self) {
        self.latest += 1;
        self.doubt_everything();
    }

    /// All pending invalidations; `None` if there are none.
    pub(crate) fn batch(&self) -> Option<Batch> {
        let what = if self.everything.is_some() {
            What::Everything
        } else if self.is_empty() {
            return None;
        } else {
            What::These(Invalidation {
                ended: self.ended.keys().copied().collect(),
                changed: self.changed.keys().copied().collect(),
            })
        };
        Some(Batch {
            what,
            up_to: self.latest,
        })
    }

    /// Redis has confirmed the batch. Ids that were added again after the batch was made stay pending.
    pub(crate) fn confirm(&mut self, batch: Batch, now: Instant) {
        self.ended.retain(|_, number| *number > batch.up_to);
        self.changed.retain(|_, number| *number > batch.up_to);
        self.everything = self.everything.filter(|number| *number > batch.up_to);
        self.forget_old(now);
        self.told_ids += batch.what.ids();
        self.told.push_back((now, batch.what));
        if self.told_ids > MOST {
            self.told = VecDeque::from([(now, What::Everything)]);
            self.told_ids = 0;
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((at, what)) = self.told.front()
            && now.duration_since(*at) > self.memory
        {
            self.told_ids -= what.ids();
            self.told.pop_front();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.everything.is_none() && self.ended.is_empty() && self.changed.is_empty()
    }

    fn doubt_everything(&mut self) {
        self.everything = Some(self.latest);
        self.ended.clear();
        self.changed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Id;
    use uuid::Uuid;

    const MEMORY: Duration = Duration::from_mins(2);

    fn missed() -> Missed {
        Missed::remembering(MEMORY)
    }

    fn session(number: usize) -> SessionId {
        Id::from_uuid(Uuid::from_u128(number as u128))
    }

    fn ended(number: usize) -> Invalidation {
        Invalidation::of_sessions([session(number)])
    }

    #[test]
    fn what_was_confirmed_is_not_told_again() {
        let mut missed = missed();
        missed.add(&ended(1));
        let batch = missed.batch().unwrap();
        assert_eq!(batch.what, What::These(ended(1)));
        missed.confirm(batch, Instant::now());
        assert!(missed.is_empty());
        assert_eq!(missed.batch(), None);
    }

    #[test]
    fn what_came_up_again_while_it_was_told_is_told_again() {
        let mut missed = missed();
        missed.add(&ended(1));
        let batch = missed.batch().unwrap();
        missed.add(&ended(1));
        missed.confirm(batch, Instant::now());
        assert_eq!(missed.batch().unwrap().what, What::These(ended(1)));
    }

    #[test]
    fn too_much_to_remember_is_everything() {
        let mut missed = missed();
        missed.add(&Invalidation::of_sessions((0..MOST).map(session)));
        assert!(matches!(missed.batch().unwrap().what, What::These(_)));
        missed.add(&ended(MOST));
        let batch = missed.batch().unwrap();
        assert_eq!(batch.what, What::Everything);
        missed.add(&ended(1));
        missed.confirm(batch, Instant::now());
        assert_eq!(
            missed.batch().unwrap().what,
            What::Everything,
            "one came after the batch"
        );
    }

    #[test]
    fn naming_nothing_leaves_nothing_to_tell() {
        let mut missed = missed();
        missed.add(&Invalidation::default());
        assert_eq!(missed.batch(), None);
    }

    #[test]
    fn what_was_told_lately_is_told_again_over_another_connection() {
        let (mut missed, now) = (missed(), Instant::now());
        missed.is_over(1, now);
        for (number, at) in [(1, now), (2, now + MEMORY)] {
            missed.add(&ended(number));
            let batch = missed.batch().unwrap();
            missed.confirm(batch, at);
        }
        let later = now + MEMORY + Duration::from_secs(1);
        missed.is_over(1, later);
        assert!(missed.is_empty(), "it is the same one");
        missed.is_over(2, later);
        assert_eq!(missed.batch().unwrap().what, What::These(ended(2)));
        let batch = missed.batch().unwrap();
        missed.confirm(batch, later);
        missed.is_over(3, later);
        assert_eq!(missed.batch().unwrap().what, What::These(ended(2)));
    }

    #[test]
    fn more_than_can_be_remembered_of_what_was_told_is_everything() {
        let (mut missed, now) = (missed(), Instant::now());
        for number in 0..=MOST {
            missed.add(&ended(number));
            let batch = missed.batch().unwrap();
            missed.confirm(batch, now);
        }
        missed.is_over(1, now);
        assert_eq!(missed.batch().unwrap().what, What::Everything);
        missed.is_over(1, now);
        let batch = missed.batch().unwrap();
        missed.confirm(batch, now);
        missed.is_over(2, now + MEMORY + Duration::from_secs(1));
        assert!(missed.is_empty(), "it is long ago");
    }
}
